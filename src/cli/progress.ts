/** Shows progress on stderr: redrawn in place for a person, a plain line every ten seconds for a log. */
import type { Progress } from '../run.ts'
import { progressLine } from './render/progress.ts'
import type { Terminal } from './terminal.ts'

export interface ProgressTracker {
  readonly onProgress: (progress: Progress) => void
  /** Ends the line that is being drawn; must be called before other talk. */
  stop(): void
}

const plainEvery = 10_000
const redrawEvery = 100
const clearLine = '\r\u001b[2K'

export function trackProgress(terminal: Terminal, now: () => number): ProgressTracker {
  return terminal.interactive ? drawn(terminal, now) : logged(terminal)
}

function drawn(terminal: Terminal, now: () => number): ProgressTracker {
  let drawing: Progress | undefined
  let drawnAt = Number.NEGATIVE_INFINITY
  const stop = () => {
    if (drawing !== undefined) terminal.draw('\n')
    drawing = undefined
  }
  return {
    onProgress: progress => {
      const news = drawing?.sync !== progress.sync || drawing.step !== progress.step
      if (!news && now() - drawnAt < redrawEvery) return
      if (drawing !== undefined && drawing.sync !== progress.sync) stop()
      drawnAt = now()
      drawing = carryTotals(progress, drawing)
      terminal.draw(`${clearLine}${progressLine(drawing, terminal.ink, terminal.columns)}`)
      if (progress.step === 'done') stop()
    },
    stop,
  }
}

/** The last step reports no counts of its own; those of the delivery before it still hold. */
function carryTotals(progress: Progress, before: Progress | undefined): Progress {
  const same = before !== undefined && before.sync === progress.sync && progress.total === 0
  return same ? { ...progress, sent: before.sent, total: before.total } : progress
}

/** The timer speaks also while a long query reports nothing. */
function logged(terminal: Terminal): ProgressTracker {
  let last: Progress | undefined
  const say = () => {
    if (last !== undefined) terminal.say(progressLine(last, terminal.ink, 200))
  }
  const timer = setInterval(say, plainEvery)
  timer.unref()
  return {
    onProgress: progress => {
      last = carryTotals(progress, last)
      if (progress.step !== 'done') return
      say()
      last = undefined
    },
    stop: () => clearInterval(timer),
  }
}
