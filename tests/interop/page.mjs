// Uses the page of the sample app like a visitor, in a headless Chromium controlled by npm playwright-core.
//
//   page.mjs http://HOST:PORT/ PATH-OF-CHROMIUM EXTENSIONS [SCREENSHOT.png]
//
// EXTENSIONS is the expected value of the `extensions` attribute of the WebSocket, or `none`.
//
// All elements are found by role and visible name, so a page that a screen reader cannot use fails too.
import { createRequire } from 'node:module'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES ?? process.cwd(), 'x.js'))
const { chromium } = require('playwright-core')
const [address, executablePath, extensions, screenshot] = process.argv.slice(2)
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'sansocket-page-'))

let checks = 0
function same(what, got, expected) {
  checks += 1
  if (JSON.stringify(got) !== JSON.stringify(expected))
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`)
}

// A temporary profile, and a browser without requests of its own.
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  chromiumSandbox: false,
  viewport: { width: 900, height: 700 },
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
let status = 0
try {
  const page = browser.pages()[0] ?? (await browser.newPage())
  page.setDefaultTimeout(10_000)
  const problems = []
  page.on('pageerror', error => problems.push(String(error)))
  page.on('console', line => line.type() === 'error' && problems.push(line.text()))
  const outside = []
  page.on('request', request => new URL(request.url()).protocol !== 'data:' && request.url() !== address && outside.push(request.url()))

  await page.goto(address)
  const named = (role, name) => page.getByRole(role, { name, exact: true })
  const url = named('textbox', 'WebSocket URL')
  const message = named('textbox', 'Message to send')
  const [connect, send, close] = ['Connect', 'Send', 'Close Socket'].map(name => named('button', name))
  const state = page.getByRole('status')
  const rows = named('table', 'Communication Log').locator('tbody tr')
  const enabled = async () => [await connect.isEnabled(), await send.isEnabled(), await close.isEnabled()]
  const becomes = text => page.waitForFunction(t => document.querySelector('[role=status]').textContent === t, text)
  const count = n => page.waitForFunction(n => document.querySelectorAll('tbody tr').length === n, n)

  const box = await state.boundingBox()
  same('the state is at the upper left', box.x < 100 && box.y < 100, true)
  same('the URL', await url.inputValue(), `ws://${new URL(address).host}/ws`)
  same('the columns', await page.getByRole('columnheader').allTextContents(), ['From', 'To', 'Data'])
  same('the buttons before connecting', await enabled(), [true, false, false])

  await connect.click()
  await becomes('Open')
  same('the buttons while open', await enabled(), [false, true, true])
  await message.fill('Grüße, <b>世界</b> 🌍')
  await send.click()
  await count(3)
  await message.fill('')
  await message.press('Enter')
  await count(5)
  if (screenshot) await page.screenshot({ path: screenshot })
  await close.click()
  await becomes('Closed')
  await count(6)
  same('the buttons after closing', await enabled(), [true, false, false])
  same('the log', await rows.evaluateAll(all => all.map(row => [...row.cells].map(cell => cell.textContent))), [
    ['Client', 'Server', `Connection opened to ws://${new URL(address).host}/ws. Extensions: ${extensions}.`],
    ['Client', 'Server', 'Grüße, <b>世界</b> 🌍'],
    ['Server', 'Client', 'Grüße, <b>世界</b> 🌍'],
    ['Client', 'Server', ''],
    ['Server', 'Client', ''],
    ['Server', 'Client', 'Connection closed. Code: 1000. Reason: Closing from client.'],
  ])

  await connect.click()
  await becomes('Open')
  // Long messages too, which both ends compress. The last messages are short, so that the final rows fit into the window.
  const sent = Array.from({ length: 20 }, (_, i) => `message ${i} ${'and so on '.repeat(10 * (19 - i))}`)
  for (const text of sent) {
    await message.fill(text)
    await message.press('Enter')
  }
  await count(47)
  const received = await rows.evaluateAll(all => all.slice(7).map(row => [...row.cells].map(cell => cell.textContent)))
  same('the echoes', received.filter(([from]) => from === 'Server').map(([, , text]) => text), sent)
  const inSight = async part => part.evaluate(e => e.getBoundingClientRect().top >= 0 && e.getBoundingClientRect().bottom <= innerHeight)
  for (const [name, part] of Object.entries({ state, message, 'last row': rows.last() }))
    same(`the ${name} is in sight below a long log`, await inSight(part), true)
  await close.click()
  await becomes('Closed')
  await count(48)
  same('no other request', outside, [])
  same('no error in the console', problems, [])

  await url.fill('ftp://example')
  await connect.click()
  await becomes('Not connected')
  same('the buttons after a bad URL', await enabled(), [true, false, false])
  console.log(`${checks} checks passed`)
} catch (error) {
  status = 1
  console.log(`FAILED: ${error.message}`)
  if (screenshot) await browser.pages()[0]?.screenshot({ path: screenshot })
} finally {
  await browser.close()
  fs.rmSync(profile, { recursive: true, force: true })
}
process.exit(status)
