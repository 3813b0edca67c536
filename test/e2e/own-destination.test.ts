/** Destinations of a project's own: written by `init`, loaded from its folder, and delivering like those of the tool. */
import { mkdir, readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { faultsOf } from '../../src/delivery/example-faults.ts'
import { hubspot } from '../../src/destinations/hubspot.ts'
import { loadOwnDestinations, readsTypeScript } from '../../src/destinations/own.ts'
import { redirect } from '../../src/destinations/own-imports.ts'
import type { RunDocument } from '../../src/run.ts'
import { shell } from '../cli/activate.ts'
import { startVendor, type Vendor } from '../vendors/vendor.ts'
import { activate, finish } from './command-line.ts'
import { makeProject, type TestProject } from './project.ts'

let project: TestProject
beforeEach(async () => {
  project = await makeProject({ 'activate.yml': 'name: acme\n' })
})
afterEach(() => project.remove())

const people = (...ids: readonly string[]) => `id,email\n${ids.map(id => `${id},${id}@example.com\n`).join('')}`

interface Complaint {
  readonly code: string
  readonly message: string
  readonly file: string
  readonly line: number
  readonly help: string
}

async function complaints(): Promise<readonly Complaint[]> {
  const { json } = await activate(project.root, 'validate', '--json')
  return json<{ readonly errors?: readonly Complaint[] }>().errors ?? []
}

describe('one that init has written', () => {
  let far: Vendor
  const customers = new Map<string, unknown>()

  beforeEach(async () => {
    customers.clear()
    far = await startVendor(({ method, path, headers, json }) => {
      if (headers.authorization !== 'Bearer s3cret-token') return { status: 401 }
      if (method === 'GET' && path === '/account') return { status: 200, body: {} }
      const body = json as { customers?: readonly { id: string; attributes: unknown }[]; ids?: readonly string[] }
      for (const { id, attributes } of body.customers ?? []) customers.set(id, attributes)
      for (const id of body.ids ?? []) customers.delete(id)
      const ids = body.ids ?? (body.customers ?? []).map(({ id }) => id)
      return { status: 200, body: { results: ids.map(id => ({ id, status: 'ok' })) } }
    })
    expect((await activate(project.root, 'init', 'destination', 'loyalty', '--language', 'js')).code).toBe(0)
    await project.write({
      'activate.yml': `
name: acme
sources: { people: { csv: data/people.csv, columns: { id: { type: string } } } }
destinations:
  points: { type: loyalty, token: "\${env:SECRET_TOKEN}", base_url: "${far.url}", allow_private_network: true }
`,
      'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id, email from {{source "people"}}\n',
      'syncs/everyone.yml':
        'model: everyone\ndestination: points\naction: upsert\nmode: mirror\nfields: { email: email, tier: { value: gold } }\n',
      'data/people.csv': people('a', 'b', 'c'),
    })
  })
  afterEach(() => far.close())

  test('delivers to a server, and removes who leaves', async () => {
    const run = async () => (await activate(project.root, 'run', '--json')).json<RunDocument>().runs[0]
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 3 } })
    expect(customers.get('a')).toEqual({ email: 'a@example.com', tier: 'gold' })
    await project.write({ 'data/people.csv': people('a', 'b') })
    expect(await run()).toMatchObject({ status: 'succeeded', outcomes: { acked: 1 } })
    expect([...customers.keys()]).toEqual(['a', 'b'])
  })

  test('is checked by doctor and when its syncs are loaded, like any other', async () => {
    const doctor = await activate(project.root, 'doctor', '--json')
    const { checks } = doctor.json<{ checks: readonly { check: string; found: string }[] }>()
    const found = checks.find(({ check }) => check === 'destination points')
    expect(found).toMatchObject({ found: 'reachable, credentials accepted' })
    expect((await activate(project.root, 'schema', 'project')).stdout).toContain('"const": "loyalty"')
    const sync = await readFile(join(project.root, 'syncs/everyone.yml'), 'utf8')
    await project.write({ 'syncs/everyone.yml': sync.replace('action: upsert', 'action: upset') })
    expect(await complaints()).toMatchObject([{ code: 'A6504', help: 'did you mean "upsert"?' }])
  })

  test('brings a test that passes, and fails once the definition does something else', async () => {
    await mkdir(join(project.root, 'node_modules'))
    await symlink(join(import.meta.dirname, '../..'), join(project.root, 'node_modules/activate'))
    const own = async () => {
      const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
      const { spawn } = await import('node:child_process')
      const file = 'destinations/loyalty.test.mjs'
      return finish(
        spawn(process.execPath, ['--test', file], { cwd: project.root, env, stdio: ['ignore', 'pipe', 'pipe'] }),
      )
    }
    expect((await own()).code).toBe(0)
    const file = join(project.root, 'destinations/loyalty.mjs')
    const text = await readFile(file, 'utf8')
    await project.write({ 'destinations/loyalty.mjs': text.replace('id: change.key', 'id: change.changeId') })
    const broken = await own()
    expect([broken.code, broken.stdout.includes('the request is')]).toEqual([1, true])
  })

  test('is not written over, nor under the name of another, nor without a name', async () => {
    const inProcess = shell(() => project.root)
    const again = await inProcess('init', 'destination', 'loyalty', '--language', 'js')
    expect([again.code, again.stderr.includes('A8005')]).toEqual([7, true])
    for (const [words, said] of [
      [['destination', 'hubspot'], 'comes with the tool'],
      [['destination'], 'needs a name'],
      [['destination', 'Loyal ty'], 'cannot be used as a name'],
      [['somewhere', 'else'], 'too many arguments'],
      [['destination', 'x', '--language', 'tss'], 'did you mean "ts"?'],
    ] as const) {
      const { code, stderr } = await inProcess('init', ...words)
      expect([code, stderr.includes('A8003'), stderr]).toEqual([7, true, expect.stringContaining(said)])
    }
  })
})

describe('a file that is no destination is told with its place', () => {
  const whole = `import { defineDestination, z } from 'activate/destination'
export default defineDestination({
  name: 'own', summary: 'Own', settings: z.strictObject({}),
  baseUrl: () => 'https://api.example.com', limits: () => [], concurrency: () => 1, actions: () => ({}),
})
`
  const bad: Readonly<Record<string, readonly [code: string, line: number, text: string]>> = {
    a_syntax_error: ['A5050', 1, 'export default {'],
    throws_when_loaded: ['A5050', 3, '\n\nthrow new Error("no such luck")\n'],
    imports_what_is_not_there: ['A5050', 1, "import './missing.mjs'\n"],
    no_default_export: ['A5051', 1, 'export const own = 1\n'],
    parts_are_missing: ['A5051', 1, 'export default { name: "own", summary: "Own" }\n'],
    named_like_one_of_the_tool: ['A5052', 1, whole.replace("'own'", "'crm'")],
    named_like_another: ['A5052', 1, whole],
    would_go_out_by_itself: ['A5054', 1, `import 'node:http'\n${whole}`],
    brings_a_library: ['A5054', 1, `import 'undici'\n${whole}`],
    reaches_out_of_its_folder: ['A5054', 1, `import '../elsewhere.mjs'\n${whole}`],
    opens_a_connection: ['A5055', 1, whole.replace('limits:', 'open: async () => ({}), limits:')],
  }

  test('all of them at once, whatever is wrong with each', async () => {
    const files = Object.entries(bad).map(([name, [, , text]]) => [`destinations/${name}.mjs`, text])
    await project.write({ ...Object.fromEntries(files), 'destinations/a.mjs': whole, 'elsewhere.mjs': '' })
    await symlink(join(project.root, 'elsewhere.mjs'), join(project.root, 'destinations/leads_elsewhere.mjs'))
    const found = await complaints()
    expect(found.map(({ file, code, line }) => [file, code, line]).sort()).toEqual(
      Object.entries(bad)
        .map(([name, [code, line]]) => [`destinations/${name}.mjs`, code, line])
        .concat([['destinations/leads_elsewhere.mjs', 'A1014', 1]])
        .sort(),
    )
    expect(found.filter(({ help }) => typeof help !== 'string')).toEqual([])
    expect(found.find(({ file }) => file.includes('like_another'))?.message).toContain('destinations/a.mjs')
  })

  test('one whose functions fail for settings that it took', async () => {
    const text = whole.replace('limits: () => []', "limits: () => { throw new Error('no limits') }")
    const sync = 'model: everyone\ndestination: mine\naction: send\nmode: upsert\nfields: { id: id }\n'
    await project.write({
      'destinations/own.mjs': text.replace(
        'actions: () => ({})',
        "actions: () => ({ send: { summary: 'Sends', modes: ['upsert'], idempotency: { kind: 'natural' } } })",
      ),
      'activate.yml':
        'name: acme\nsources: { people: { csv: people.csv, columns: { id: { type: string } } } }\ndestinations: { mine: { type: own } }\n',
      'models/everyone.sql': '/*---\nkey: id\n---*/\nselect id from {{source "people"}}\n',
      'syncs/everyone.yml': sync,
      'people.csv': people('a'),
    })
    const { code, stdout, stderr } = await activate(project.root, 'dry-run')
    expect([code, stdout + stderr]).toEqual([expect.any(Number), expect.stringContaining('A5056')])
    expect(code).not.toBe(0)
  })

  test('TypeScript is read, by Node or by the compiler that is installed', async () => {
    const typed = whole.replace("summary: 'Own'", "summary: 'Own' as string")
    await project.write({
      'destinations/own.mts': `import type { Json } from './shared/json.ts'\nexport type Own = Json\n${typed}`,
      'destinations/shared/json.ts': 'export type Json = string\n',
      'activate.yml': 'name: acme\ndestinations: { mine: { type: own } }\n',
    })
    expect(await complaints()).toEqual([])
  })

  // Where Node reads TypeScript there is nothing to refuse.
  test.skipIf(readsTypeScript())('TypeScript that nobody can read is refused, with the ways out', async () => {
    await project.write({ 'destinations/own.mts': whole })
    const { problems } = await loadOwnDestinations(project.root, [], () => undefined)
    expect(problems).toMatchObject([
      { code: 'A5053', place: { file: 'destinations/own.mts' }, help: expect.stringContaining('22.18') },
    ])
  })

  test('what init writes in TypeScript works, and so does the JavaScript that is made from it, which goes first', async () => {
    expect((await shell(() => project.root)('init', 'destination', 'bolt', '--language', 'ts')).code).toBe(0)
    expect(await complaints()).toEqual([])
    const source = await readFile(join(project.root, 'destinations/bolt.mts'), 'utf8')
    const compiled = { module: ModuleKind.ESNext, target: ScriptTarget.ES2023, verbatimModuleSyntax: true }
    const { outputText } = transpileModule(source, { compilerOptions: compiled })
    expect(outputText).not.toBe(source)
    await project.write({
      'destinations/bolt.mjs': outputText,
      'activate.yml': 'name: acme\ndestinations: { b: { type: bolt } }\n',
    })
    expect(await complaints()).toMatchObject([{ code: 'A6502', message: expect.stringContaining('"token": missing') }])
  })

  test('tests, declarations and what lies in folders below are left alone', async () => {
    await project.write({
      'destinations/own.mjs': `import './shared/names.mjs'\n${whole}`,
      'destinations/own.test.mjs': 'throw new Error("a test")',
      'destinations/own.d.mts': 'export {}',
      'destinations/shared/names.mjs': '',
    })
    expect(await complaints()).toEqual([])
  })
})

describe('what a definition may import', () => {
  const own = { folder: 'file:///p/destinations/', kit: 'file:///tool/destination.mjs' }
  const from = 'file:///p/destinations/a.mjs'

  test('is the kit of the tool that runs, files beside it, and what reaches nothing', () => {
    expect(redirect('activate/destination', from, own)).toBe(own.kit)
    for (const specifier of ['./b.mjs', './shared/c.mjs', 'node:crypto'])
      expect(redirect(specifier, from, own)).toBeUndefined()
  })

  test.each([
    'node:http',
    'http',
    'node:fs',
    'undici',
    'zod',
    '../b.mjs',
    './shared/../../b.mjs',
    'data:text/javascript,1',
    'file:///etc/x.mjs',
  ])('is not %s', specifier => {
    expect(() => redirect(specifier, from, own)).toThrow('may not import')
  })

  test('is no concern of anybody else', () => {
    expect(redirect('node:http', 'file:///p/models/a.mjs', own)).toBeUndefined()
    expect(redirect('node:http', undefined, own)).toBeUndefined()
  })
})

test('examples that the definition does not keep are named', () => {
  const settings = { token: '${env:TOKEN}' }
  expect(faultsOf(hubspot, settings)).toEqual([])
  const lying = {
    ...hubspot,
    actions: (own: Parameters<typeof hubspot.actions>[0]) => {
      const { update_contacts: update, ...others } = hubspot.actions(own)
      if (update === undefined) throw new TypeError('there is one')
      return { ...others, update_contacts: { ...update, interpret: () => ({ kind: 'acked' }) as const } }
    },
  }
  expect(faultsOf(lying, settings)).toEqual(
    expect.arrayContaining([expect.stringMatching(/^update_contacts, .*: the reply is read as \{"kind":"acked"\}/)]),
  )
  expect(faultsOf(hubspot, {})).toEqual([expect.stringContaining('settings: token')])
})
