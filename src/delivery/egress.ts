/**
 * Where requests may go. Names are resolved once, every address is checked, and the connection goes to a checked one, so
 * that a name cannot answer differently between check and use. Literal addresses never reach a resolver (undici 7 connects
 * to them directly), so they are checked when the base URL is opened; the WHATWG parser has by then turned every spelling
 * (`2130706433`, `0x7f.1`, `127.1`) into the usual one.
 */
import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/**
 * IANA special-purpose registries for IPv4 (RFC 6890 and its updates), as read in 2026; and the one address outside of them
 * at which a cloud answers its own machines (Azure's WireServer).
 */
const reservedIpv4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['168.63.129.16', 32],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

/** IPv4-compatible (`::127.0.0.1`), IPv4-translated (`::ffff:0:127.0.0.1`), 6to4 and Teredo addresses lead to IPv4 ones by detours and are refused whole. */
const reservedIpv6: readonly (readonly [string, number])[] = [
  ['::', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
]

const reserved = makeBlockList()

/** IPv4 rules hold for IPv4-mapped addresses (`::ffff:127.0.0.1`) by themselves; for NAT64 (RFC 6052) they are repeated. */
function makeBlockList(): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of reservedIpv4) {
    list.addSubnet(network, prefix, 'ipv4')
    list.addSubnet(`64:ff9b::${network}`, 96 + prefix, 'ipv6')
  }
  for (const [network, prefix] of reservedIpv6) list.addSubnet(network, prefix, 'ipv6')
  return list
}

/** Whether an address (no brackets; a zone is ignored) is private, loopback, link-local or reserved otherwise. */
export function isReservedAddress(address: string): boolean {
  const bare = address.split('%', 1)[0] ?? address
  const family = isIP(bare)
  if (family === 0) return true
  return reserved.check(bare, family === 4 ? 'ipv4' : 'ipv6')
}

/** The address when a URL's host name is a literal one. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
  return isIP(bare) === 0 ? undefined : bare
}

export const addressRefused = 'EADDRESSREFUSED'

export class AddressRefusedError extends Error {
  readonly code = addressRefused

  constructor(host: string, address: string) {
    super(host === address ? `${address} is a reserved address` : `${host} resolves to the reserved address ${address}`)
    this.name = 'AddressRefusedError'
  }
}

export type ResolveAll = (
  hostname: string,
  done: (error: NodeJS.ErrnoException | null, addresses: readonly LookupAddress[]) => void,
) => void

const resolveBySystem: ResolveAll = (hostname, done) => systemLookup(hostname, { all: true }, done)

/** A `lookup` for sockets that fails when any of a name's addresses is reserved: a name that mixes both is an attack. */
export function guardedLookup(resolve: ResolveAll = resolveBySystem): LookupFunction {
  return (hostname, options, done) => {
    resolve(hostname, (error, addresses) => {
      const refused = addresses?.find(({ address }) => isReservedAddress(address))
      const first = addresses?.[0]
      if (error !== null) done(error, '', 0)
      else if (refused !== undefined) done(new AddressRefusedError(hostname, refused.address), '', 0)
      else if (first === undefined)
        done(Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' }), '', 0)
      else if (options.all === true) done(null, [...addresses])
      else done(null, first.address, first.family)
    })
  }
}
