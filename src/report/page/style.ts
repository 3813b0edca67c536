/** The report's style sheet: light and dark, one column on a phone, ink on paper. */
export const pageStyle = `
:root { color-scheme: light dark; --ink: #1b2027; --soft: #56606d; --line: #d9dee4; --paper: #f5f6f8; --card: #fff; --track: #e9edf1;
  --good: #146338; --good-bg: #e2f4e8; --bad: #a1211b; --bad-bg: #fde8e6; --warn: #704700; --warn-bg: #fdf1d8; --calm: #2f4a68; --calm-bg: #e7eef6;
  --mark: #0b62b5; --band: #0b62b5; --band-o: .16 }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --soft: #a3adb9; --line: #343c46; --paper: #12161b; --card: #1b2128; --track: #2a323b;
  --good: #84dba5; --good-bg: #14301f; --bad: #ffa199; --bad-bg: #3d1b19; --warn: #f3c873; --warn-bg: #37290e; --calm: #b5cdea; --calm-bg: #1f2c3b;
  --mark: #74b6f7; --band: #74b6f7; --band-o: .2 } }
* { box-sizing: border-box }
html { -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Open Sans", sans-serif }
header, main, footer { max-width: 980px; margin: 0 auto; padding: 0 24px }
header { padding-top: 36px; padding-bottom: 20px }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -.015em }
h2 { font-size: 21px; line-height: 1.3; margin: 0; letter-spacing: -.01em }
h3 { font-size: 15px; margin: 30px 0 8px }
h3 + p.note { margin: -4px 0 10px }
h1, h2, h3, p, dt, dd, li { overflow-wrap: anywhere }
p { margin: 0 0 10px; max-width: 72ch }
a { color: var(--mark) }
header p, .note, .facts { color: var(--soft) } .note, .facts { font-size: 14px; margin: 0 0 10px }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 24px 26px; margin: 0 0 22px }
.verdict { border-radius: 10px; padding: 14px 18px; margin: 14px 0 4px }
.verdict p { margin: 0 } .verdict .say { font-size: 19px; line-height: 1.4; font-weight: 600 } .verdict .why { margin-top: 4px }
.keep { background: var(--good-bg); color: var(--good) } .stop, .unreliable { background: var(--bad-bg); color: var(--bad) }
.wait, .unclear, .unmeasured { background: var(--warn-bg); color: var(--warn) } .nothing_to_measure { background: var(--calm-bg); color: var(--calm) }
.tag { display: inline-block; border-radius: 999px; padding: 1px 11px; font-size: 14px; font-weight: 600; white-space: nowrap }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 18px 0 0 }
.figures div { border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px }
dt { color: var(--soft); font-size: 14px; line-height: 1.3 } dd { margin: 2px 0 0; font-size: 24px; line-height: 1.25; font-variant-numeric: tabular-nums; letter-spacing: -.01em }
dd small { display: block; font-size: 13px; color: var(--soft); letter-spacing: 0 }
table { border-collapse: collapse; width: 100%; font-size: 14px }
caption { text-align: left; color: var(--soft); padding: 0 0 6px }
th { text-align: left; font-weight: 600; color: var(--soft); vertical-align: bottom }
th, td { padding: 7px 16px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere } thead th { overflow-wrap: break-word }
th:last-child, td:last-child { padding-right: 0 } tbody tr:last-child > * { border-bottom: 0 }
.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap } th.num { white-space: normal } .steps th.num { white-space: nowrap }
tbody th { color: var(--ink); font-weight: 400 }
table.dense { font-size: 13px } .dense th, .dense td { padding-right: 9px } .dense tbody th { min-width: 11em } .dense :is(th, td):last-child { padding-right: 0 }
details { margin: 8px 0 0 } summary { cursor: pointer; color: var(--soft); font-size: 14px; width: fit-content }
details table { margin-top: 8px }
:is(a, summary):focus-visible { outline: 2px solid var(--mark); outline-offset: 3px; border-radius: 3px }
svg { display: block; width: 100%; height: auto } .chart { margin: 0 } .chart .narrow { display: none }
svg text { font-family: inherit; font-size: 13px; fill: var(--soft) } svg .strong { fill: var(--ink) } svg .good { fill: var(--good) } svg .bad { fill: var(--bad) }
svg .grid { stroke: var(--line); stroke-width: 1 } svg .zero { stroke: var(--soft); stroke-width: 1.25; stroke-dasharray: 4 3 }
svg .band { fill: var(--band); fill-opacity: var(--band-o) } svg .line { fill: none; stroke: var(--mark); stroke-width: 2.25; stroke-linejoin: round }
svg .dot { fill: var(--mark) } svg .range { stroke: var(--mark); stroke-width: 2.5; stroke-linecap: round } svg .faint { opacity: .45 }
.steps td:nth-child(2) { width: 45% } .bar { display: block; height: 14px; margin-top: 4px; border-radius: 4px; background: var(--mark); min-width: 2px } .bar.dim { background: var(--soft); opacity: .55 }
.steps .sub th { padding-left: 18px; color: var(--soft) }
ul { margin: 0; padding: 0; list-style: none } li { padding: 4px 0 4px 26px; position: relative; font-size: 15px }
li::before { position: absolute; left: 2px; font-weight: 700 } li.ok::before { content: "✓"; color: var(--good) } li.alarm::before { content: "!"; left: 6px; color: var(--bad) } li.alarm { color: var(--bad) }
li.warning::before { content: "!"; left: 6px; color: var(--warn) } li.info::before { content: "·"; left: 6px; color: var(--soft) } li.info { color: var(--soft) }
footer { color: var(--soft); font-size: 14px; padding-bottom: 48px } footer dt { font-weight: 600; font-size: 14px } footer dd { font-size: 14px; line-height: 1.5; margin: 0 0 8px; letter-spacing: 0 }
.unknown { color: var(--soft) }
@media (max-width: 640px) {
  header, main, footer { padding-left: 14px; padding-right: 14px } header { padding-top: 22px } h1 { font-size: 25px } section { padding: 16px 14px }
  .verdict { padding: 12px 14px } .verdict .say { font-size: 17px } .figures { grid-template-columns: 1fr 1fr; gap: 8px } .figures div { padding: 8px 10px } dd { font-size: 20px }
  .chart .wide { display: none } .chart .narrow { display: block }
  table.cards, table.cards caption, table.cards tbody, table.cards tr, table.cards td, table.cards tbody th { display: block } table.cards thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
  table.cards tr { padding: 9px 0; border-bottom: 1px solid var(--line) } table.cards tbody tr:last-child { border-bottom: 0 }
  table.cards tbody th { border: 0; padding: 0 0 2px; font-weight: 600 } table.cards td { border: 0; padding: 1px 0 1px 45%; position: relative; text-align: left; white-space: normal; min-height: 1.5em } table.cards td:empty { display: none }
  table.cards td::before { content: attr(data-name); position: absolute; left: 0; width: 43%; color: var(--soft) }
  .dense tbody th { min-width: 0 } .tag { white-space: normal; border-radius: 12px }
  .steps th:first-child { width: 46% } .steps td, .steps th { padding-right: 8px } .steps td:nth-child(2) { width: 28% }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --track: #eee; --good: #0f5230; --good-bg: #eef7f1; --bad: #8f1a15; --bad-bg: #fbeeec; --warn: #5e3c00; --warn-bg: #fbf5e6; --calm: #2f4a68; --calm-bg: #eef2f7; --mark: #0b4f93; --band: #0b4f93; --band-o: .14 }
  body { font-size: 11pt; -webkit-print-color-adjust: exact; print-color-adjust: exact } header, main, footer { max-width: none; padding: 0 }
  section { border: 0; border-top: 1px solid var(--line); border-radius: 0; padding: 12pt 0; margin: 0 } .verdict, figure, table, .figures, li { break-inside: avoid } h2, h3 { break-after: avoid }
  .narrow { display: none !important } .wide { display: block !important } table { font-size: 8.5pt } th, td { padding: 3pt 7pt 3pt 0 } .figures { grid-template-columns: repeat(4, 1fr); gap: 6pt } dd { font-size: 15pt }
  table.dense { font-size: 7pt } .dense th, .dense td { padding-right: 4pt } .dense tbody th { min-width: 0 }
  details:not([open]) { display: none } summary { display: none }
}
@page { margin: 16mm 14mm }
`
