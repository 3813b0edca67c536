/**
 * A process that has the tool loaded and runs commands when it is told to, until one of them kills it. The tool is one script, whose
 * compiled code an earlier process may have kept: to parse and compile it takes longer than what a command of torture then does.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Script } from 'node:vm'
import type { Io } from '../../src/cli/terminal.ts'

export interface Order {
  readonly root: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export interface Answer {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

type Main = (argv: readonly string[], io: Io) => Promise<number>

const [, , file = ''] = process.argv
const compiled = `${file}.cache`
const kept = existsSync(compiled) ? readFileSync(compiled) : undefined
const script = new Script(
  `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`,
  {
    filename: file,
    ...(kept && { cachedData: kept }),
  },
)
const module = { exports: {} as { main: Main } }
script.runInThisContext()(module.exports, createRequire(file), module, file, process.cwd())

let told = Promise.resolve()
const before = { ...process.env }

process.on('message', (order: Order) => {
  told = told.then(() => obey(order))
})
process.on('disconnect', () => process.exit())
process.send?.('ready')

async function obey({ root, args, env }: Order): Promise<void> {
  process.chdir(root)
  process.env = { ...before, ...env }
  const [out, talk] = [collector(), collector()]
  const code = await module.exports.main(args, { stdout: out, stderr: talk, env: process.env, cwd: root })
  if (!existsSync(compiled)) keepCompiled()
  const answer: Answer = { code, stdout: out.text(), stderr: talk.text() }
  process.send?.(answer)
}

/** After a command, when the functions it needs have been compiled. */
function keepCompiled(): void {
  const written = `${compiled}.${process.pid}`
  writeFileSync(written, script.createCachedData())
  renameSync(written, compiled)
}

function collector() {
  let text = ''
  return {
    write: (chunk: string, done?: (error?: Error | null) => void) => {
      text += chunk
      done?.()
      return true
    },
    on: () => undefined,
    text: () => text,
  }
}
