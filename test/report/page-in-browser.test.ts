/** The report's page as a reader has it: on a screen, on a phone, in the dark, on paper. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { renderReportPage } from '../../src/report/page/page.ts'
import { openBrowser } from '../engines/browser.ts'
import { sampleDays, sampleDetail, sampleExperiment, sampleReport, sampleRows, sums } from './sample-report.ts'

let browser: Browser
let page: Page

beforeAll(async () => {
  browser = await openBrowser()
  page = await browser.newPage()
})
afterAll(() => browser.close())

beforeEach(async () => {
  await page.setViewportSize({ width: 1100, height: 900 })
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' })
  await page.setContent(renderReportPage(sampleReport(), 'acme'))
})

/** In the page; a text, because these tests know no DOM. */
const ask = <Result>(expression: string) => page.evaluate(expression) as Promise<Result>

test('says what to do, in words, before any figure', async () => {
  const text = (await page.locator('main').innerText()).replaceAll('\u00a0', ' ')
  expect(text.indexOf('Keep it')).toBeGreaterThan(-1)
  expect(text).toMatch(/It works\. "renewed" is 41\.1 % with it and 30\.0 % without: \+37\.0 %/)
  expect(text).toContain('3 of 600 withheld people with a known address share it with somebody treated')
  expect(text).toContain('93.0 %')
})

test.each([
  ['a screen', 1100, 'screen'],
  ['a phone', 375, 'screen'],
  ['a small phone', 320, 'screen'],
  ['paper', 688, 'print'],
] as const)('fits the width of %s, and so does every label of its drawings', async (_, width, media) => {
  await page.setViewportSize({ width, height: 900 })
  await page.emulateMedia({ media })
  expect(await ask<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
  const outside = await ask<
    string[]
  >(`[...document.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width > 0).flatMap(svg => {
    const box = svg.getBoundingClientRect()
    return [...svg.querySelectorAll('text, circle, line, polygon, polyline')].filter(part => {
      const own = part.getBoundingClientRect()
      return own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1
    }).map(part => part.outerHTML)
  })`)
  expect(outside).toEqual([])
  const small = await ask<number>(
    `Math.min(...[...document.querySelectorAll('svg text')].filter(text => text.getBoundingClientRect().width > 0).map(text => text.getBoundingClientRect().height))`,
  )
  expect(small).toBeGreaterThan(9)
})

test.each(['light', 'dark'] as const)('every text can be read against what is behind it (%s)', async colorScheme => {
  await page.emulateMedia({ colorScheme })
  const faint = await ask<string[]>(`(() => {
    const numbers = text => (text.match(/[\\d.]+/g) ?? []).map(Number)
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
    const behind = element => {
      for (let at = element; at; at = at.parentElement) {
        const colour = numbers(getComputedStyle(at).backgroundColor)
        if (colour.length === 3 || colour[3] === 1) return colour
      }
      return [255, 255, 255]
    }
    return [...document.body.querySelectorAll('*')].filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim() !== '')).flatMap(element => {
      const style = getComputedStyle(element)
      const own = numbers(element.closest('svg') ? style.fill : style.color)
      const [a, b] = [light(own), light(behind(element))].sort((x, y) => y - x)
      return (a + 0.05) / (b + 0.05) >= 4.5 || ['TITLE', 'DESC', 'title', 'desc'].includes(element.tagName) ? [] : [element.outerHTML.slice(0, 120)]
    })
  })()`)
  expect(faint).toEqual([])
})

test('each drawing has a name, a description and its figures as a table', async () => {
  const drawings = await ask<boolean[]>(`[...document.querySelectorAll('figure.chart')].map(figure =>
    [...figure.querySelectorAll('svg')].every(svg => svg.getAttribute('aria-labelledby').split(' ').every(id => document.getElementById(id).textContent.length > 0))
    && figure.nextElementSibling.querySelector('table tbody tr') !== null)`)
  expect(drawings.length).toBeGreaterThanOrEqual(3)
  expect(drawings).not.toContain(false)
  const ids = await ask<string[]>(`[...document.querySelectorAll('[id]')].map(element => element.id)`)
  expect(new Set(ids).size).toBe(ids.length)
})

test('needs nothing else: no script, no address to load from', () => {
  const html = renderReportPage(sampleReport(), 'acme')
  expect(html).not.toMatch(/<script|https?:\/\/|src=|@import|url\(/)
  expect(html).toBe(renderReportPage(sampleReport(), 'acme'))
})

test('shows what names say as text, without running any of it', async () => {
  const hostile = `<script>document.title = 'taken'</script><img src=x onerror="document.title = 'taken'">`
  const days = sampleDays(75)
  const segments = [
    { ...sums('treated', 900, 300), part: hostile },
    { ...sums('withheld', 100, 30), part: hostile },
  ]
  const rows = sampleRows({
    experiment: sampleExperiment({ sync: hostile }),
    outcomes: sampleRows().outcomes.map(each => ({ ...each, detail: sampleDetail(days, { segments }) })),
  })
  await page.setViewportSize({ width: 375, height: 800 })
  await page.setContent(renderReportPage(sampleReport([rows]), hostile))
  expect(await page.title()).toContain('<script>')
  expect(await page.locator('h2').allInnerTexts()).toContainEqual(expect.stringContaining(hostile))
  expect(await ask<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(375)
})

/** Letters without any size on lines of one height: what is left does not depend on the fonts of a machine. */
function withoutLetters(html: string): string {
  return html.replace('</style>', '* { font: 0/18px monospace !important }</style>')
}

/**
 * Boxes, bands, bars and drawings are where and as they were. Compared are blurs of 80 by 120 spots, because edges are drawn a little differently
 * by other versions of a browser. `ACTIVATE_UPDATE_PICTURES=1` stores the present pictures.
 */
test.each([
  ['on a screen', 'report-page', 1100, 1400, 'screen', 'light'],
  ['in the dark', 'report-page-dark', 1100, 1400, 'screen', 'dark'],
  ['on a phone', 'report-page-phone', 375, 2400, 'screen', 'light'],
  ['on paper', 'report-page-paper', 688, 1500, 'print', 'light'],
] as const)('looks as it did %s', async (_, name, width, height, media, colorScheme) => {
  const stored = join(import.meta.dirname, `golden/${name}.png`)
  await page.setViewportSize({ width, height: 900 })
  await page.emulateMedia({ media, colorScheme })
  await page.setContent(withoutLetters(renderReportPage(sampleReport(), 'acme')))
  const now = await page.screenshot({ clip: { x: 0, y: 0, width, height }, fullPage: true })
  if (process.env.ACTIVATE_UPDATE_PICTURES === '1') await writeFile(stored, now)
  expect(await differing(now, await readFile(stored))).toBeLessThan(0.005)
})

/** The share of spots that are not as they were. */
async function differing(now: Buffer, before: Buffer): Promise<number> {
  const pictures = [now, before].map(bytes => `data:image/png;base64,${bytes.toString('base64')}`)
  await page.goto('about:blank') // the report itself lets no picture be shown
  const spots = await ask<number[]>(`(async () => {
    const blurred = async url => {
      const image = new Image()
      image.src = url
      await image.decode()
      const canvas = document.createElement('canvas')
      canvas.width = 80
      canvas.height = 120
      const context = canvas.getContext('2d')
      context.imageSmoothingQuality = 'high'
      context.drawImage(image, 0, 0, 80, 120)
      return context.getImageData(0, 0, 80, 120).data
    }
    const [left, right] = [await blurred(${JSON.stringify(pictures[0])}), await blurred(${JSON.stringify(pictures[1])})]
    return [...left].map((value, index) => Math.abs(value - right[index]))
  })()`)
  return spots.filter(difference => difference > 12).length / spots.length
}

test('a picture that differs is told from one that does not', async () => {
  const [light, dark] = await Promise.all(
    ['report-page', 'report-page-dark'].map(name => readFile(join(import.meta.dirname, `golden/${name}.png`))),
  )
  if (light === undefined || dark === undefined) throw new Error('no pictures')
  expect(await differing(light, light)).toBe(0)
  expect(await differing(light, dark)).toBeGreaterThan(0.5)
})

test.each([375, 320])('every verdict and every reason has room on a phone of %d dots', async width => {
  const problem = { code: 'A2023', message: 'the source "renewals" is stale' }
  const primary = sampleRows().outcomes
  const rows = [
    sampleRows({ reached: 3, experiment: sampleExperiment({ sync: 'win_back_after_cancellation_of_a_contract' }) }),
    sampleRows({ outcomes: primary.map(each => ({ ...each, aggregates: [], problems: [problem] })) }),
    sampleRows({ outcomes: [] }),
    sampleRows({
      outcomes: primary.map(each => ({ ...each, aggregates: [sums('treated', 900, 300), sums('withheld', 100, 9)] })),
    }),
  ]
  await page.setViewportSize({ width, height: 900 })
  await page.setContent(renderReportPage(sampleReport(rows), 'acme'))
  expect(await page.locator('.tag').allInnerTexts()).toEqual([
    ...['Do not rely on these figures', 'Could not be measured', 'Nothing to measure yet', 'Wait'],
  ])
  expect(await ask<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
  const outside = await ask<string[]>(`[...document.querySelectorAll('section *')].filter(element => {
    const [own, card] = [element.getBoundingClientRect(), element.closest('section').getBoundingClientRect()]
    return own.width > 1 && element.closest('table.cards thead') === null && (own.right > card.right + 1 || own.left < card.left - 1)
  }).map(element => element.outerHTML.slice(0, 100))`)
  expect(outside).toEqual([])
})
