/**
 * Regions whose national phone numbers can be completed: calling code and trunk prefix (ITU-T E.164 assignments and the
 * national numbering plans, read 2026-11). A number that starts with + or 00 needs none of this.
 */
export interface PhoneRegion {
  readonly callingCode: string
  /** Dialled before a national number at home, and dropped abroad. */
  readonly trunk: string
}

const regions = {
  AT: { callingCode: '43', trunk: '0' },
  AU: { callingCode: '61', trunk: '0' },
  BE: { callingCode: '32', trunk: '0' },
  BR: { callingCode: '55', trunk: '0' },
  CA: { callingCode: '1', trunk: '1' },
  CH: { callingCode: '41', trunk: '0' },
  CN: { callingCode: '86', trunk: '0' },
  CZ: { callingCode: '420', trunk: '' },
  DE: { callingCode: '49', trunk: '0' },
  DK: { callingCode: '45', trunk: '' },
  ES: { callingCode: '34', trunk: '' },
  FI: { callingCode: '358', trunk: '0' },
  FR: { callingCode: '33', trunk: '0' },
  GB: { callingCode: '44', trunk: '0' },
  GR: { callingCode: '30', trunk: '' },
  HU: { callingCode: '36', trunk: '06' },
  IE: { callingCode: '353', trunk: '0' },
  IN: { callingCode: '91', trunk: '0' },
  IT: { callingCode: '39', trunk: '' },
  JP: { callingCode: '81', trunk: '0' },
  LU: { callingCode: '352', trunk: '' },
  MX: { callingCode: '52', trunk: '' },
  NL: { callingCode: '31', trunk: '0' },
  NO: { callingCode: '47', trunk: '' },
  NZ: { callingCode: '64', trunk: '0' },
  PL: { callingCode: '48', trunk: '' },
  PT: { callingCode: '351', trunk: '' },
  RO: { callingCode: '40', trunk: '0' },
  SE: { callingCode: '46', trunk: '0' },
  SG: { callingCode: '65', trunk: '' },
  US: { callingCode: '1', trunk: '1' },
  ZA: { callingCode: '27', trunk: '0' },
} as const satisfies Readonly<Record<string, PhoneRegion>>

export function isRegion(code: string): boolean {
  return Object.hasOwn(regions, code)
}

export function knownRegions(): readonly string[] {
  return Object.keys(regions)
}

/** Undefined for a code that `isRegion` refuses. */
export function phoneRegion(code: string): PhoneRegion | undefined {
  return isRegion(code) ? regions[code as keyof typeof regions] : undefined
}
