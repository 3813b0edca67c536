import { expect, test } from 'vitest'
import { groupCommit } from '../../src/ledger/group-commit.ts'

/** Commits that last until they are told to end. */
function commits() {
  const groups: (readonly number[])[] = []
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = []
  let heard = () => {}
  const commit = (jobs: readonly number[]) =>
    new Promise<readonly string[]>((resolve, reject) => {
      groups.push(jobs)
      ends.push({ resolve: () => resolve(jobs.map(job => `done ${job}`)), reject })
      heard()
    })
  const next = () => new Promise<void>(resolve => (heard = resolve))
  return { groups, ends, commit, next }
}

test('commits together what was asked for together', async () => {
  const { groups, ends, commit, next } = commits()
  const group = groupCommit(commit)
  const begun = next()
  const results = Promise.all([1, 2, 3].map(group.add))
  await begun
  ends[0]?.resolve()
  expect(await results).toEqual(['done 1', 'done 2', 'done 3'])
  expect(groups).toEqual([[1, 2, 3]])
})

test('lets calls that arrive during a commit join the next one', async () => {
  const { groups, ends, commit, next } = commits()
  const group = groupCommit(commit)
  const begun = next()
  const first = group.add(1)
  await begun
  const later = Promise.all([group.add(2), group.add(3)])
  const begunAgain = next()
  ends[0]?.resolve()
  expect(await first).toBe('done 1')
  await begunAgain
  ends[1]?.resolve()
  expect(await later).toEqual(['done 2', 'done 3'])
  expect(groups).toEqual([[1], [2, 3]])
})

test('fails only the group whose commit failed', async () => {
  const { ends, commit, next } = commits()
  const group = groupCommit(commit)
  const begun = next()
  const failing = Promise.allSettled([group.add(1), group.add(2)])
  await begun
  const later = group.add(3)
  const begunAgain = next()
  const full = new Error('full')
  ends[0]?.reject(full)
  expect(await failing).toEqual([
    { status: 'rejected', reason: full },
    { status: 'rejected', reason: full },
  ])
  await begunAgain
  ends[1]?.resolve()
  expect(await later).toBe('done 3')
})

test('is idle once everything was answered', async () => {
  const answered: number[] = []
  const group = groupCommit(async (jobs: readonly number[]) => jobs)
  await group.idle()
  const jobs = [1, 2, 3].map(async job => answered.push(await group.add(job)))
  await group.idle()
  await Promise.all(jobs)
  expect(answered).toEqual([1, 2, 3])
})

test('keeps groups small enough for others to have their turn', async () => {
  const sizes: number[] = []
  const group = groupCommit(async (jobs: readonly number[]) => {
    sizes.push(jobs.length)
    return jobs
  })
  const results = await Promise.all(Array.from({ length: 2_500 }, (_, index) => group.add(index)))
  expect(results.at(-1)).toBe(2_499)
  expect(sizes).toEqual([1_000, 1_000, 500])
})
