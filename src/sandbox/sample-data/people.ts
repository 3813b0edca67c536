/**
 * Who the customers are: names from several languages, addresses that change, blanks and slips of the keyboard as a real
 * table has them, and now and then one human with two accounts. All e-mail domains are reserved for examples (RFC 2606) and
 * all telephone numbers for drama (Ofcom).
 */
import { pick, type Random, seededRandom, weighted } from '../seeded.ts'
import { day } from './calendar.ts'

export interface Person {
  /** Six digits with leading zeros: a text, although a careless reader takes it for a number. */
  readonly id: string
  /** The account that the same human opened first: mostly this one. Two accounts of one human share addresses and devices. */
  readonly human: string
  readonly firstName: string
  readonly lastName: string
  readonly country: string
  readonly timezone: string
  readonly phone: string
  readonly joinedAt: number
  /** Oldest first; the first begins with `joinedAt`. */
  readonly emails: readonly { readonly since: number; readonly email: string }[]
}

type Language = 'british' | 'german' | 'french' | 'spanish' | 'polish' | 'nordic' | 'asian'
type Home = { readonly country: string; readonly timezone: string; readonly names: Language }

const places: readonly (readonly [Home, number])[] = [
  [{ country: 'GB', timezone: 'Europe/London', names: 'british' }, 52],
  [{ country: 'IE', timezone: 'Europe/Dublin', names: 'british' }, 9],
  [{ country: 'DE', timezone: 'Europe/Berlin', names: 'german' }, 12],
  [{ country: 'FR', timezone: 'Europe/Paris', names: 'french' }, 9],
  [{ country: 'ES', timezone: 'Europe/Madrid', names: 'spanish' }, 7],
  [{ country: 'PL', timezone: 'Europe/Warsaw', names: 'polish' }, 6],
  [{ country: 'SE', timezone: 'Europe/Stockholm', names: 'nordic' }, 3],
  [{ country: 'SG', timezone: 'Asia/Singapore', names: 'asian' }, 2],
]

const firstNames: Readonly<Record<Language, readonly string[]>> = {
  british:
    'Olivia Amelia Isla Ava Freya Grace Zoë Chloë Niamh Aoife Siobhán Oliver George Noah Arthur Harry Leo Aarav Mohammed Fatima Priya Seán Oisín Kwame Adaeze Tomos Gwen Alasdair'.split(
      ' ',
    ),
  german: 'Emma Mia Hannah Käthe Jürgen Jörg Günther Björn Leonie Lukas Finn Paul Anneliese Sören Ayşe Emre'.split(' '),
  french: 'Léa Chloé Inès Zoé Hélène François Jérôme Théo Loïc Gaëlle Camille Mathéo'.split(' '),
  spanish: 'Lucía María Sofía José Íñigo Begoña Martín Álvaro Nuria Raúl Ángela'.split(' '),
  polish: 'Łukasz Zofia Małgorzata Paweł Agnieszka Michał Żaneta Grzegorz'.split(' '),
  nordic: 'Åsa Björk Søren Märta Øystein Linnéa Jens Astrid'.split(' '),
  asian: '伟 芳 Mei Wei-Ling Nguyễn Arjun さくら 민준'.split(' '),
}

const lastNames: Readonly<Record<Language, readonly string[]>> = {
  british:
    "Smith Jones Taylor Brown Patel Khan O'Brien O'Neill Evans Walker Hughes Murphy Okafor Mac-Donald Byrne Begum Shah Thompson Wright Clarke".split(
      ' ',
    ),
  german: 'Müller Schäfer Weiß Groß Schmidt Köhler Yılmaz Vogel Brandt'.split(' '),
  french: "Lefèvre D'Angelo Dubois Béranger Moreau L'Hôte Garçon".split(' '),
  spanish: 'García Núñez Peña Ibáñez López Martínez Muñoz'.split(' '),
  polish: 'Wójcik Kowalska Wiśniewski Łapiński Dąbrowska'.split(' '),
  nordic: 'Åkesson Lindström Jørgensen Ødegård Nyström'.split(' '),
  asian: '王 李 Tan Lim Trần 田中 김'.split(' '),
}

const domains = ['example.com', 'example.org', 'example.net', 'mail.example.com', 'post.example.org'] as const

/** A mailbox name in plain ASCII, as mail providers hand them out. */
export function mailbox(first: string, last: string, id: string): string {
  const plain = `${first}.${last}`
    .normalize('NFD')
    .replace(/[łŁ]/g, 'l')
    .replace(/[øØ]/g, 'o')
    .replace(/ß/g, 'ss')
    .replace(/ı/g, 'i')
    .replace(/[^A-Za-z.]/g, '')
    .toLowerCase()
    .replace(/^\.+|\.+$/g, '')
  return `${plain === '' ? 'customer' : plain}${Number(id)}`
}

/** Most addresses are fine; a few have a slip that a form let through, and a few mailboxes are gone for good. */
function writeEmail(random: Random, box: string): string {
  const domain = pick(random, domains)
  return weighted(random, [
    [`${box}@${domain}`, 955],
    [`${box.slice(0, 1).toUpperCase()}${box.slice(1)}@${domain}`, 25],
    [`${box}@bounced.example.org`, 8],
    [`${box}@@${domain}`, 2],
    [`${box}.example.com`, 2],
    ['', 8],
  ])
}

/** Ranges of a thousand numbers each that belong to nobody: "Telephone numbers for use in TV and radio drama", Ofcom. */
const phoneRanges = [
  '7700900',
  '1134960',
  '1144960',
  '1154960',
  '1164960',
  '1174960',
  '1184960',
  '1214960',
  '1314960',
  '1414960',
  '1514960',
  '1614960',
  '1914980',
  '2079460',
  '2896496',
  '2920180',
  '1632960',
] as const

/** Nobody's number is another's, or strangers would count as one person; whoever comes after the last range has none. */
function writePhone(random: Random, index: number): string {
  const range = phoneRanges[Math.floor(index / 1000)]
  const style = weighted(random, [
    ['international', 66],
    ['national', 8],
    ['none', 26],
  ] as const)
  if (range === undefined || style === 'none') return ''
  const digits = `${range}${String(index % 1000).padStart(3, '0')}`
  return style === 'international' ? `+44${digits}` : `0${digits.slice(0, 4)} ${digits.slice(4)}`
}

/** The person with this number, who joined at `joinedAt`; the same for every night. */
export function makePerson(seed: number, index: number, joinedAt: number): Person {
  const id = String(index).padStart(6, '0')
  const random = seededRandom(seed, 'second account', index)
  const second = index > 1 && random() < 0.012
  return { ...drawHuman(seed, second ? 1 + Math.floor(random() * (index - 1)) : index, joinedAt), id }
}

function drawHuman(seed: number, index: number, joinedAt: number): Person {
  const random = seededRandom(seed, 'person', index)
  const { country, timezone, names } = weighted(random, places)
  const id = String(index).padStart(6, '0')
  const given = pick(random, firstNames[names])
  const lastName = pick(random, lastNames[names])
  const firstName = random() < 0.02 ? '' : given
  const phone = writePhone(random, index)
  const emails = [{ since: joinedAt, email: writeEmail(random, mailbox(given, lastName, id)) }]
  if (random() < 0.18) {
    const later = joinedAt + (30 + random() * 1_100) * day
    emails.push({ since: later, email: writeEmail(random, `${mailbox(given, lastName, id)}.new`) })
  }
  return { id, human: id, firstName, lastName, country, timezone, phone, joinedAt, emails }
}

/** The address of the account at that instant. */
export function emailAt({ emails }: Person, at: number): string {
  return emails.findLast(({ since }) => since <= at)?.email ?? ''
}
