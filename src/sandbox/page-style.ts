/** The page's style sheet: light and dark, one column on a phone. */
export const pageStyle = `
:root { color-scheme: light dark; --ink: #1c2128; --soft: #5b6470; --line: #d8dde3; --paper: #f6f7f9; --card: #fff;
  --link: #0b57a4; --good: #17663a; --good-bg: #e3f4e8; --bad: #a3231d; --bad-bg: #fde7e5; --warn: #7a4d00; --warn-bg: #fdf0d5; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4b0; --line: #333b45; --paper: #14181d; --card: #1c2229;
  --link: #7db7f5; --good: #7fd6a0; --good-bg: #15301f; --bad: #ff9d95; --bad-bg: #3d1b19; --warn: #f2c46d; --warn-bg: #37290d; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
header, main { max-width: 1080px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; }
h1 { font-size: 26px; margin: 0; letter-spacing: -0.01em }
h2 { font-size: 17px; margin: 0 0 8px }
header p { margin: 2px 0 18px; color: var(--soft) }
a { color: var(--link) }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px; margin: 0 0 18px; }
.band h2 { font-size: 22px; margin: 0 } .band p { margin: 2px 0 0 }
.good { background: var(--good-bg); color: var(--good); border-color: transparent }
.bad { background: var(--bad-bg); color: var(--bad); border-color: transparent }
.warn { background: var(--warn-bg); color: var(--warn); border-color: transparent }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(118px, 1fr)); gap: 10px; margin: 0 0 18px; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 14px }
dt { color: var(--soft); font-size: 13px } dd { margin: 0; font-size: 22px; font-variant-numeric: tabular-nums }
form { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 0 0 18px }
label { color: var(--soft) }
input, button { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 12px }
input { flex: 1 1 220px; min-width: 0 } button { cursor: pointer }
:is(a, input, button, summary):focus-visible { outline: 2px solid var(--link); outline-offset: 2px }
.count { color: var(--soft); font-weight: 400; font-variant-numeric: tabular-nums }
.note, small { color: var(--soft) } .note { margin: 6px 0 0; font-size: 14px }
.scroll { overflow-x: auto; margin: 0 -18px; padding: 0 18px }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th { text-align: left; font-weight: 600; color: var(--soft); white-space: nowrap }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top }
tr:last-child td { border-bottom: 0 }
td { white-space: nowrap } td.wide { white-space: normal; min-width: 240px; overflow-wrap: anywhere } td.num { font-variant-numeric: tabular-nums }
code, pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0 0 }
summary { cursor: pointer; color: var(--soft); font-size: 13px }
.chip { display: inline-block; border: 1px solid var(--line); border-radius: 6px; padding: 0 7px; margin: 0 2px 3px 0; font-size: 13px; overflow-wrap: anywhere }
.chip b { font-weight: 400; color: var(--soft) }
.tag { border-radius: 6px; padding: 1px 7px; font-size: 13px; white-space: nowrap }
td a code { overflow-wrap: anywhere; white-space: normal }
@media (max-width: 640px) {
  header, main { padding-left: 12px; padding-right: 12px } section { padding: 12px } .scroll { margin: 0; padding: 0; overflow: visible }
  .figures { grid-template-columns: repeat(4, 1fr); gap: 6px } .figures div { padding: 7px 9px } dd { font-size: 17px } dt { font-size: 11px }
  label { flex-basis: 100% }
  table, tbody, tr, td { display: block } thead { display: none }
  tr { border-top: 1px solid var(--line); padding: 8px 0 } tr:first-child { border-top: 0 }
  td { border: 0; padding: 1px 0 1px 84px; position: relative; white-space: normal; overflow-wrap: anywhere; min-height: 1.5em }
  td.wide { min-width: 0 } td:empty { display: none }
  td::before { content: attr(data-name); position: absolute; left: 0; color: var(--soft); font-size: 13px }
}
`
