// Uses the page of the sample app like a visitor, in a headless Chromium controlled by npm playwright-core.
//
//   page.mjs http[s]://HOST:PORT/ PATH-OF-CHROMIUM EXTENSIONS [FOLDER]
//
// EXTENSIONS is the expected value of the `extensions` attribute of the WebSocket, or `none`. FOLDER receives the screenshots
// desktop.png and phone.png. Over https, Node must trust the certificate (NODE_EXTRA_CA_CERTS). Chromium accepts it by its
// public key, and no other one.
//
// All elements are found by role and visible name, so a page that a screen reader cannot use fails too.
import crypto from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import tls from 'node:tls'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES ?? process.cwd(), 'x.js'))
const { chromium } = require('playwright-core')
const [address, executablePath, extensions, folder] = process.argv.slice(2)
const { protocol, host, hostname, port } = new URL(address)
const socketUrl = `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'sansocket-page-'))

// Runs in the page. Sends bytes by the page's own WebSocket, since the page has no field for them, and compares the echo.
async function binaryEcho(length) {
  const sent = Uint8Array.from({ length }, (_, i) => i * 7)
  const received = new Promise((resolve, reject) => {
    socket.addEventListener('message', event => resolve(new Uint8Array(event.data)), { once: true })
    setTimeout(() => reject(new Error(`no echo of ${length} bytes`)), 10_000)
  })
  socket.send(sent)
  const echo = await received
  return echo.length === length && echo.every((byte, i) => byte === sent[i])
}
const firstBytes = Array.from({ length: 32 }, (_, i) => (i * 7).toString(16).padStart(2, '0')).join(' ')

// Runs in the page.
function inSight(element) {
  const { top, bottom, left, right } = element.getBoundingClientRect()
  return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth
}

let checks = 0
function same(what, got, expected) {
  checks += 1
  if (JSON.stringify(got) !== JSON.stringify(expected))
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`)
}

async function publicKeyHash() {
  const socket = tls.connect({ host: hostname, port })
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(10_000) })
  const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' })
  socket.end()
  return crypto.createHash('sha256').update(key).digest('base64')
}

const args = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
if (protocol === 'https:') args.push(`--ignore-certificate-errors-spki-list=${await publicKeyHash()}`)
// A temporary profile, and a browser without requests of its own.
const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  chromiumSandbox: false,
  viewport: { width: 900, height: 700 },
  args,
})
const screenshot = async name => folder && browser.pages()[0]?.screenshot({ path: path.join(folder, `${name}.png`) })
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
  same('the URL', await url.inputValue(), socketUrl)
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
  for (const length of [200_000, 1 << 20]) same(`the echo of ${length} bytes`, await page.evaluate(binaryEcho, length), true)
  await count(7)
  await screenshot('desktop')
  await close.click()
  await becomes('Closed')
  await count(8)
  same('the buttons after closing', await enabled(), [true, false, false])
  same('the log', await rows.evaluateAll(all => all.map(row => [...row.cells].map(cell => cell.textContent))), [
    ['Client', 'Server', `Connection opened to ${socketUrl}. Extensions: ${extensions}.`],
    ['Client', 'Server', 'Grüße, <b>世界</b> 🌍'],
    ['Server', 'Client', 'Grüße, <b>世界</b> 🌍'],
    ['Client', 'Server', ''],
    ['Server', 'Client', ''],
    ['Server', 'Client', `200000 bytes: ${firstBytes} …`],
    ['Server', 'Client', `1048576 bytes: ${firstBytes} …`],
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
  await count(49)
  const received = await rows.evaluateAll(all => all.slice(9).map(row => [...row.cells].map(cell => cell.textContent)))
  same('the echoes', received.filter(([from]) => from === 'Server').map(([, , text]) => text), sent)
  const allInSight = async screen => {
    for (const [part, element] of Object.entries({ state, url, connect, message, send, close, 'last row': rows.last() }))
      same(`the ${part} is in sight below a long log, ${screen}`, await element.evaluate(inSight), true)
    same(`no horizontal scrolling, ${screen}`, await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true)
  }
  await allInSight('desktop')
  await page.setViewportSize({ width: 375, height: 667 })
  // The page scrolls to the last row when a row is added, and not when the window changes.
  await rows.last().scrollIntoViewIfNeeded()
  await allInSight('phone')
  await screenshot('phone')
  await close.click()
  await becomes('Closed')
  await count(50)
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
  await screenshot('failed')
} finally {
  await browser.close()
  fs.rmSync(profile, { recursive: true, force: true })
}
process.exit(status)
