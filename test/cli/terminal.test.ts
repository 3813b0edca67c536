import { describe, expect, test } from 'vitest'
import { trackProgress } from '../../src/cli/progress.ts'
import { toJson } from '../../src/cli/render/json.ts'
import { progressLine } from '../../src/cli/render/progress.ts'
import { counted, duration, grouped, instant, printable, printableBlock, shorten } from '../../src/cli/render/text.ts'
import { openTerminal, type Stream, withoutControls } from '../../src/cli/terminal.ts'
import { ActivateError } from '../../src/project/problem.ts'

function stream(options: { readonly isTTY?: boolean; readonly fail?: NodeJS.ErrnoException } = {}) {
  let written = ''
  const write: Stream['write'] = (text: string, done?: (error?: Error | null) => void) => {
    if (options.fail === undefined) written += text
    done?.(options.fail ?? null)
    return true
  }
  return { stream: { write, on: () => undefined, isTTY: options.isTTY ?? false, columns: 80 }, written: () => written }
}

const flags = { noColor: true, quiet: false }

function terminalOver(options: Parameters<typeof stream>[0] = {}, own = flags) {
  const out = stream(options)
  const talk = stream(options)
  const terminal = openTerminal({ stdout: out.stream, stderr: talk.stream, env: {}, cwd: '/' }, own)
  return { terminal, out: out.written, talk: talk.written }
}

const errno = (code: string) => Object.assign(new Error(code), { code })

describe('output', () => {
  test('a reader who has gone is not an error', async () => {
    const { terminal } = terminalOver({ fail: errno('EPIPE') })
    await terminal.write('data')
    await expect(terminal.write('more')).resolves.toBeUndefined()
  })

  test('a full disk is', async () => {
    const { terminal } = terminalOver({ fail: errno('ENOSPC') })
    await expect(terminal.write('data')).rejects.toThrow(ActivateError)
    await expect(terminalOver({ fail: errno('ENOSPC') }).terminal.write('data')).rejects.toThrow(/A8010/)
  })

  test('--quiet silences talk and not errors', () => {
    const { terminal, talk } = terminalOver({}, { noColor: true, quiet: true })
    terminal.say('hello')
    terminal.complain('wrong')
    expect(talk()).toBe('wrong\n')
  })
})

describe('text that others wrote', () => {
  test('loses escapes, controls and direction marks, and its line breaks', () => {
    expect(printable('a\u001b[31mb\u001b]8;;http://x\u0007c\u0000\u009b2Jd\u202ee\r\nf')).toBe('abcde f')
    expect(printableBlock('a\u0007\nb')).toBe('a\nb')
  })

  test('JSON keeps every character and shows none that steer', () => {
    const text = 'a\u001b[2J\u009b\u007f'
    expect(toJson({ text })).toBe('{\n  "text": "a\\u001b[2J\\u009b\\u007f"\n}\n')
    expect(JSON.parse(toJson({ text }))).toEqual({ text })
  })
})

test('numbers, counts, durations and instants read the same everywhere', () => {
  expect([grouped(0), grouped(999), grouped(1000), grouped(1234567)]).toEqual(['0', '999', '1,000', '1,234,567'])
  expect([counted(1, 'sync'), counted(2, 'sync')]).toEqual(['1 sync', '2 syncs'])
  expect([0, 940, 59_400, 60_000, 200_000, 3_600_000, 7_500_000].map(duration)).toEqual([
    '0.0 s',
    '0.9 s',
    '59 s',
    '1 min',
    '3 min 20 s',
    '1 h',
    '2 h 5 min',
  ])
  expect([instant(Date.UTC(2026, 2, 1, 2)), instant(Date.UTC(2026, 2, 1, 2, 0, 5))]).toEqual([
    '2026-03-01 02:00Z',
    '2026-03-01 02:00:05Z',
  ])
  expect([shorten('abc', 3), shorten('abcd', 3)]).toEqual(['abc', 'ab…'])
})

describe('progress', () => {
  const sending = { sync: 'ltv', step: 'deliver', sent: 1500, total: 6000, waiting: 0 } as const
  const done = { sync: 'ltv', step: 'done', sent: 0, total: 0, waiting: 0 } as const
  const { terminal } = terminalOver()

  test('tells what was sent, the wait and the time left', () => {
    expect(progressLine({ ...sending, waiting: 12_000, eta: 95_000 }, terminal.ink, 200)).toBe(
      'ltv  sending, 1,500 of 6,000 (25%), waiting 12 s on the rate limit, 1 min 35 s left',
    )
    expect(progressLine({ ...sending, waiting: 300 }, terminal.ink, 200)).toBe('ltv  sending, 1,500 of 6,000 (25%)')
  })

  test('is redrawn in place for a person and keeps the counts at the end', () => {
    const person = terminalOver({ isTTY: true })
    const tracker = trackProgress(person.terminal, () => 0)
    tracker.onProgress(sending)
    tracker.onProgress({ ...sending, sent: 1600 })
    tracker.onProgress(done)
    tracker.stop()
    expect(person.talk()).toBe(
      '\r\u001b[2Kltv  sending, 1,500 of 6,000 (25%)\r\u001b[2Kltv  done, 1,500 of 6,000 (25%)\n',
    )
  })

  test.each([
    ['succeeded', 'done'],
    ['partial', 'done in part'],
    ['failed', 'failed'],
    ['held', 'held'],
    ['locked', 'locked'],
    ['skipped', 'skipped'],
    ['interrupted', 'interrupted'],
  ] as const)('of a run that %s ends with "%s"', (status, said) => {
    expect(progressLine({ ...done, status }, terminal.ink, 200)).toBe(`ltv  ${said}`)
  })

  test('is one plain line per sync in a log', () => {
    const log = terminalOver()
    const tracker = trackProgress(log.terminal, () => 0)
    tracker.onProgress({ ...sending, sent: 6000 })
    tracker.onProgress(done)
    tracker.stop()
    expect(log.talk()).toBe('ltv  done, 6,000 of 6,000 (100%)\n')
  })
})

describe('what a row or a server says', () => {
  const hostile = [
    '\x1b]0;title\x07',
    '\x1b]52;c;ZXZpbA==\x1b\\',
    '\x1b[2J\x1b[H',
    '\x1b[31mred',
    '\x9b31mred',
    '\x9d0;title\x9c',
    '\x1bP+q\x1b\\',
    'a\rb',
    'a\bb\x7f',
    '\u202egnp.exe',
    '\u2066isolate\u2069',
    '\u200fmark',
  ]

  test.each(hostile)('%j reaches no terminal as more than text', text => {
    for (const colours of [true, false]) {
      const shown = withoutControls(`<${text}>\n`, colours)
      expect(shown.replaceAll('\x1b[31m', '')).toMatch(/^[^\p{Cc}\p{Bidi_Control}]*\n$/u)
      if (!colours) expect(shown).not.toContain('\x1b')
    }
    const json = toJson({ text })
    expect(json.trimEnd().replaceAll('\n', '')).toMatch(/^[^\p{Cc}\p{Bidi_Control}]*$/u)
    expect(JSON.parse(withoutControls(json, false))).toEqual({ text })
  })

  test('colours stay where they are wanted, and line breaks and tabs always do', () => {
    expect(withoutControls('\x1b[1m\x1b[31ma\x1b[39m\x1b[22m\n\tb', true)).toBe('\x1b[1m\x1b[31ma\x1b[39m\x1b[22m\n\tb')
    expect(withoutControls('\x1b[31ma\x1b[39m\n\tb', false)).toBe('a\n\tb')
  })
})
