// Uses the page of the sample app like a visitor, in a headless Chromium.
//
//   page.mjs http[s]://HOST:PORT/ PATH-OF-CHROMIUM VERSION EXTENSIONS [FOLDER]
//
// VERSION is the expected version of HTTP, HTTP/1.1 or HTTP/2; Chromium uses HTTP/2 only over https. EXTENSIONS is the expected
// value of the `extensions` attribute of the WebSocket, or `none`. FOLDER receives the screenshots desktop.png and phone.png.
//
// All elements are found by role and visible name, so a page that a screen reader cannot use fails too.
import path from 'node:path'
import { run, same, sameVersion } from './browser.mjs'

const [address, executablePath, version, extensions, folder] = process.argv.slice(2)
const { protocol, host } = new URL(address)
const socketUrl = `${protocol === 'https:' ? 'wss' : 'ws'}://${host}/ws`

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

async function use(page) {
  const screenshot = async name => folder && page.screenshot({ path: path.join(folder, `${name}.png`) })
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

  same('the version in the page', await page.getByText(`This page was sent over ${version}.`).count(), 1)
  same('the version that the browser used', await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol), version === 'HTTP/2' ? 'h2' : 'http/1.1')
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
}

await run(address, executablePath, version, use, log => sameVersion(version, log, 2, 1))
