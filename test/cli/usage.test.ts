import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { commands } from '../../src/cli/commands.ts'
import { cliReference } from '../../src/cli/reference.ts'
import { shell, temporaryFolder } from './activate.ts'

const folder = temporaryFolder()
const activate = shell(folder)

test('--version prints the version of the package and nothing else', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(await activate('--version')).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
  expect(await activate('--json', '--version')).toMatchObject({ code: 0, stdout: `${version}\n` })
})

test('the help names every command', async () => {
  const { code, stdout } = await activate('--help')
  expect(code).toBe(0)
  for (const { name } of commands) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'))
})

test('no command at all prints the help', async () => {
  const [bare, asked] = [await activate(), await activate('--help')]
  expect([bare.code, bare.stdout]).toEqual([0, asked.stdout])
})

test.each(commands.map(({ name }) => name))('%s explains itself and has code behind it', async name => {
  const { code, stdout } = await activate(name, '--help')
  expect([code, stdout.includes('Examples:')]).toEqual([0, true])
  const definition = commands.find(command => command.name === name)
  expect(typeof (await definition?.load())?.execute).toBe('function')
})

describe('wrong usage', () => {
  test('an unknown command is an error with the nearest one', async () => {
    const { code, stdout, stderr } = await activate('rnu')
    expect([code, stdout]).toEqual([7, ''])
    expect(stderr).toBe('error[A8001]: unknown command "rnu"\n  = help: did you mean run? — `activate explain A8001`\n')
  })

  test('an unknown option is an error with the nearest one', async () => {
    const { code, stderr } = await activate('dry-run', '--sampel', '3')
    expect([code, stderr.split('\n')[0]]).toEqual([7, 'error[A8002]: unknown option "--sampel"'])
    expect(stderr).toContain('did you mean --sample?')
  })

  test.each([
    [['inspect'], 'missing required argument'],
    [['status', 'extra'], 'too many arguments'],
    [['dry-run', '--sample'], 'argument missing'],
  ])('%j is refused', async (argv, words) => {
    const { code, stderr } = await activate(...argv)
    expect([code, stderr.includes('error[A8003]'), stderr.includes(words)]).toEqual([7, true, true])
  })

  test('with --json the error is the one document on stdout', async () => {
    const { code, json, stderr } = await activate('rnu', '--json')
    expect([code, stderr]).toEqual([7, ''])
    expect(json()).toEqual({
      schema: 'activate.error/1',
      errors: [
        {
          code: 'A8001',
          message: 'unknown command "rnu"',
          file: null,
          line: null,
          column: null,
          help: 'did you mean run?',
        },
      ],
    })
  })

  test('outside of a project it says so', async () => {
    const { code, stderr } = await activate('status')
    expect([code, stderr.startsWith('error[A1001]')]).toEqual([7, true])
  })
})

describe('colours', () => {
  test('NO_COLOR and --no-color win over CLICOLOR_FORCE, which wins over a pipe', async () => {
    const escapes = async (env: Record<string, string>, ...argv: string[]) =>
      (await shell(folder, env)('rnu', ...argv)).stderr.includes('\u001b[')
    expect(await escapes({})).toBe(false)
    expect(await escapes({ CLICOLOR_FORCE: '1' })).toBe(true)
    expect(await escapes({ CLICOLOR_FORCE: '1', NO_COLOR: '1' })).toBe(false)
    expect(await escapes({ CLICOLOR_FORCE: '1' }, '--no-color')).toBe(false)
  })
})

describe('explain', () => {
  test('every code has a title, an explanation and its own exit code', async () => {
    const { code, json } = await activate('explain', '--json')
    const codes = json().codes as { code: string; title: string; explanation: string; exit_code: number }[]
    expect(code).toBe(0)
    expect(codes.length).toBeGreaterThan(50)
    for (const entry of codes) {
      expect(entry.code).toMatch(/^A\d{4}$/)
      expect(entry.title.length).toBeGreaterThan(3)
      expect(entry.explanation.length).toBeGreaterThan(20)
    }
    expect(new Set(codes.map(entry => entry.code)).size).toBe(codes.length)
  })

  test('one code is explained, in lower case or without its letter too', async () => {
    const asked = await activate('explain', 'a8001')
    expect(asked.stdout).toMatch(/^A8001: unknown command\n\n/)
    expect((await activate('explain', '8001')).stdout).toBe(asked.stdout)
  })

  test('an unknown code is an error', async () => {
    expect(await activate('explain', 'A9999')).toMatchObject({ code: 7 })
  })
})

describe('schema', () => {
  test('what was written passes the check, and a changed file does not', async () => {
    expect(await activate('schema', '--write', 'schemas')).toMatchObject({ code: 0, stdout: '' })
    expect(await activate('schema', '--check')).toMatchObject({ code: 0 })
    expect(await activate('schema', '--check', 'elsewhere')).toMatchObject({ code: 1 })
  })

  test('the schema of the project knows the settings of every destination by its type', async () => {
    const { json } = await activate('schema', 'project')
    const types = JSON.stringify(json()).match(/"const":"(\w+)"/g) ?? []
    for (const type of ['http', 'file', 'table', 'crm', 'messaging']) expect(types).toContain(`"const":"${type}"`)
  })

  test('an unknown kind is refused with the nearest', async () => {
    const { code, stderr } = await activate('schema', 'sink')
    expect([code, stderr.includes('did you mean "sync"?')]).toEqual([7, true])
  })
})

describe('completion', () => {
  test.each(['bash', 'zsh', 'fish'])('%s offers every command and the long options', async shellName => {
    const { code, stdout } = await activate('completion', shellName)
    expect(code).toBe(0)
    for (const { name } of commands) expect(stdout).toContain(name)
    expect(stdout).toContain('full-resync')
  })

  test('an unknown shell is refused', async () => {
    expect(await activate('completion', 'powershell')).toMatchObject({ code: 7 })
  })
})

test('the reference page has every command, option and exit code', () => {
  const page = cliReference()
  for (const { name, options } of commands) {
    expect(page).toContain(`### ${name}\n`)
    for (const { flags } of options) expect(page).toContain(`| \`${flags}\` |`)
  }
  expect(page).toContain('| 130 | interrupted |')
})
