import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { acceptMessage, emptyMemory, writeContacts } from '../../src/sandbox/memory.ts'
import { renderPage } from '../../src/sandbox/page.ts'
import { openBrowser } from '../engines/browser.ts'

let browser: Browser
beforeAll(async () => {
  browser = await openBrowser()
})
afterAll(() => browser.close())

const hostile = `<script>document.title = 'taken'</script><img src=x onerror="document.title = 'taken'">`

test('shows what arrived as text, at the width of a phone, without running any of it', async () => {
  const memory = emptyMemory()
  writeContacts(memory, [{ id: 'c1', change_id: 'x', properties: { name: hostile, plan: 'p'.repeat(200) } }], 0, true)
  const content = { to: 'ada@example.com', subject: hostile, body: '', template: 'renewal', data: {}, reference: 'r1' }
  acceptMessage(memory, { channel: 'email', content, idempotencyKey: undefined, bodyHash: 'a' }, 0)

  const page = await browser.newPage({ viewport: { width: 375, height: 800 } })
  await page.setContent(renderPage(memory, { faults: {}, seed: 1, search: '', live: false }))

  expect(await page.title()).not.toBe('taken')
  expect(await page.locator('body').innerText()).toContain('ada@example.com')
  const width = await page.evaluate('document.documentElement.scrollWidth')
  expect(width).toBeLessThanOrEqual(375)
  await page.close()
})
