/** One sync's progress as one line. */
import type { Progress, RunSummary } from '../../run.ts'
import type { Colors } from '../terminal.ts'
import { duration, grouped, printable, shorten } from './text.ts'

const steps: Readonly<Record<Progress['step'], string>> = {
  recover: 'settling what the last run left',
  materialise: 'computing the model',
  check: 'checking its contract',
  plan: 'planning',
  deliver: 'sending',
  settle: 'settling',
  done: 'done',
}

const ends: Readonly<Record<RunSummary['status'], string>> = {
  succeeded: 'done',
  partial: 'done in part',
  held: 'held',
  failed: 'failed',
  locked: 'locked',
  skipped: 'skipped',
  interrupted: 'interrupted',
}

/** Waits shorter than this are the ordinary pace of a limiter. */
const noticeableWait = 1000

export function progressLine(progress: Progress, colors: Colors, width: number): string {
  const name = colors.bold(printable(progress.sync))
  const parts = [progress.status === undefined ? steps[progress.step] : ends[progress.status]]
  if (progress.total > 0) {
    const share = Math.floor((100 * progress.sent) / progress.total)
    parts.push(`${grouped(progress.sent)} of ${grouped(progress.total)} (${share}%)`)
  }
  if (progress.step === 'deliver') {
    if (progress.waiting >= noticeableWait) parts.push(`waiting ${duration(progress.waiting)} on the rate limit`)
    if (progress.eta !== undefined) parts.push(`${duration(progress.eta)} left`)
  }
  return `${name}  ${shorten(parts.join(', '), Math.max(20, width - progress.sync.length - 3))}`
}
