/**
 * The three places a command may speak to: data on stdout, talk on stderr, colours on either when somebody is looking.
 * A reader who has gone (`activate history | head`) ends the output, never the work.
 */
import { createInterface } from 'node:readline/promises'
import picocolors from 'picocolors'
import { ActivateError } from '../project/problem.ts'

export interface Stream {
  write(text: string, done: (error?: Error | null) => void): boolean
  write(text: string): boolean
  on(event: 'error', listener: (error: Error) => void): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

/** What the process gives a command; tests give their own. */
export interface Io {
  readonly stdout: Stream
  readonly stderr: Stream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Asks the person at the terminal; absent where nobody is there to answer. */
  readonly ask?: (question: string) => Promise<string>
}

export type Colors = ReturnType<typeof picocolors.createColors>

export interface Terminal {
  /** Data. Resolves once the stream has taken it. */
  write(text: string): Promise<void>
  /** Talk: one or more lines on stderr, nothing with --quiet. */
  say(text: string): void
  /** Talk that --quiet does not silence: errors. */
  complain(text: string): void
  /** Rewrites the last lines of talk in place; only meaningful when `interactive`. */
  draw(text: string): void
  /** Colours of data and of talk. */
  readonly paint: Colors
  readonly ink: Colors
  /** Whether talk goes to a person's terminal. */
  readonly interactive: boolean
  readonly columns: number
}

export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process
  const io = { stdout, stderr, env, cwd: process.cwd() }
  return stdin.isTTY && stderr.isTTY ? { ...io, ask } : io
}

async function ask(question: string): Promise<string> {
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await asking.question(question)
  } finally {
    asking.close()
  }
}

/** Whether to colour: --no-color, then NO_COLOR (no-color.org), then CLICOLOR_FORCE (bixense.com/clicolors), then the TTY. */
export function wantsColor(isTTY: boolean, env: Io['env'], noColor: boolean): boolean {
  if (noColor || (env.NO_COLOR ?? '') !== '') return false
  const forced = env.CLICOLOR_FORCE ?? env.FORCE_COLOR ?? ''
  if (forced !== '' && forced !== '0') return true
  return isTTY && env.TERM !== 'dumb' && env.CLICOLOR !== '0'
}

const colour = String.raw`\x1b\[[\d;]*m`
const controls = String.raw`(?![\n\t])\p{Cc}|\p{Bidi_Control}`

/**
 * The last line of defence: text from rows, files and servers is made printable where it is rendered, and what was forgotten
 * there ends here. Nothing but colours reaches a terminal as a control sequence, and not even those where none are wanted.
 */
export function withoutControls(text: string, colours: boolean): string {
  return text.replaceAll(
    new RegExp(colours ? `(${colour})|${controls}` : `${colour}|${controls}`, 'gu'),
    colours ? '$1' : '',
  )
}

/** `scrub` takes secrets out of whatever is written; everything a command says passes here. */
export function openTerminal(
  io: Io,
  flags: { readonly noColor: boolean; readonly quiet: boolean },
  scrub: (text: string) => string = text => text,
): Terminal {
  const { stdout, stderr } = io
  const writesInColor = wantsColor(stdout.isTTY === true, io.env, flags.noColor)
  const talksInColor = wantsColor(stderr.isTTY === true, io.env, flags.noColor)
  let reader = true
  stdout.on('error', () => undefined) // the callback of each write carries the error
  stderr.on('error', () => undefined) // talk that nobody hears changes nothing
  const talk = (said: string) => {
    const text = withoutControls(scrub(said), talksInColor)
    stderr.write(text.endsWith('\n') ? text : `${text}\n`)
  }
  return {
    write: text =>
      new Promise((resolve, reject) => {
        if (!reader || text === '') return resolve()
        stdout.write(withoutControls(scrub(text), writesInColor), error => {
          if (error === undefined || error === null) return resolve()
          reader = false
          if ('code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')) return resolve()
          reject(new ActivateError('failed', { code: 'A8010', message: `cannot write the output: ${error.message}` }))
        })
      }),
    say: text => {
      if (!flags.quiet) talk(text)
    },
    complain: talk,
    draw: text => {
      if (!flags.quiet) stderr.write(scrub(text))
    },
    paint: picocolors.createColors(writesInColor),
    ink: picocolors.createColors(talksInColor),
    interactive: stderr.isTTY === true && io.env.TERM !== 'dumb',
    columns: stderr.columns ?? 100,
  }
}
