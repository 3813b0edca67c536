/** A table that becomes cards on a phone: the first cell of a row is its head, and every other knows what it is called. */
import { html } from 'hono/html'
import type { Html } from './chart.ts'

export interface Column {
  readonly name: string
  readonly numeric?: boolean
}

export type Cell = Html | string

/** `dense` is for many columns. `caption` is what the table says, for those who cannot see where it stands. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  look: 'cards' | 'cards dense' = 'cards',
): Html {
  const aligned = ({ numeric }: Column) => (numeric === true ? 'num' : '')
  const head = columns.map(column => html`<th scope="col" class="${aligned(column)}">${column.name}</th>`)
  const lines = rows.map(([first = '', ...others]) => {
    const cells = others.map((cell, index) => {
      const column = columns[index + 1] ?? { name: '' }
      return html`<td class="${aligned(column)}" data-name="${column.name}">${cell}</td>`
    })
    return html`<tr><th scope="row">${first}</th>${cells}</tr>`
  })
  return html`<table class="${look}"><caption>${caption}</caption><thead><tr>${head}</tr></thead><tbody>${lines}</tbody></table>`
}

/** The figures of a drawing, for those who do not see it; closed until somebody asks. */
export function asTable(of: Html): Html {
  return html`<details><summary>The figures as a table</summary>${of}</details>`
}

export function tiles(
  entries: readonly { readonly name: string; readonly value: Cell; readonly note?: string }[],
): Html {
  return html`<dl class="figures">${entries.map(({ name, value, note }) => html`<div><dt>${name}</dt><dd>${value}${note === undefined ? '' : html`<small>${note}</small>`}</dd></div>`)}</dl>`
}
