/** What waits for its time, earliest first; a binary heap, because thousands of halves may wait at once. */
export interface WaitingRoom<Item> {
  readonly size: number
  readonly nextDue: number | undefined
  add(due: number, item: Item): void
  /** The earliest item when its time has come. */
  takeDue(now: number): Item | undefined
}

export function createWaitingRoom<Item>(): WaitingRoom<Item> {
  const heap: { readonly due: number; readonly item: Item }[] = []

  function dueAt(index: number): number {
    return heap[index]?.due ?? Number.POSITIVE_INFINITY
  }

  function swap(one: number, other: number): void {
    const [first, second] = [heap[one], heap[other]]
    if (first === undefined || second === undefined) return
    heap[one] = second
    heap[other] = first
  }

  function rise(start: number): void {
    let index = start
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (dueAt(parent) <= dueAt(index)) return
      swap(parent, index)
      index = parent
    }
  }

  function sink(): void {
    let index = 0
    for (;;) {
      const left = 2 * index + 1
      const child = dueAt(left + 1) < dueAt(left) ? left + 1 : left
      if (dueAt(index) <= dueAt(child)) return
      swap(index, child)
      index = child
    }
  }

  return {
    get size() {
      return heap.length
    },
    get nextDue() {
      return heap[0]?.due
    },
    add(due, item) {
      heap.push({ due, item })
      rise(heap.length - 1)
    },
    takeDue(now) {
      const [first] = heap
      if (first === undefined || first.due > now) return undefined
      const last = heap.pop()
      if (last !== undefined && heap.length > 0) {
        heap[0] = last
        sink()
      }
      return first.item
    },
  }
}
