import { type Browser, chromium } from 'playwright-core'

/** The part of `@sparticuz/chromium` that is used. Its types are not there before the tests have installed it. */
interface PackagedChromium {
  readonly default: { readonly args: string[]; executablePath(): Promise<string> }
}

/** A real, headless Chromium; the caller closes it. `ACTIVATE_TEST_BROWSER` names another executable, for a platform that has no package. */
export async function openBrowser(): Promise<Browser> {
  const named = process.env.ACTIVATE_TEST_BROWSER
  if (named !== undefined) return chromium.launch({ executablePath: named })
  const packaged: string = '@sparticuz/chromium'
  const { default: chromiumPackage } = (await import(packaged)) as PackagedChromium
  return chromium.launch({ executablePath: await chromiumPackage.executablePath(), args: chromiumPackage.args })
}
