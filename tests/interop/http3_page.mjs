// Uses the page and the echo of examples/http3 in a headless Chromium controlled by npm playwright-core, over HTTP/3.
//
//   http3_page.mjs https://HOST:PORT/ SPKI PATH-OF-CHROMIUM NETLOG
//
// SPKI is the SHA-256 of the server's public key in base64, as the server prints it. The server has no TCP port, and Chromium
// opens WebSockets over HTTP/3 only with a feature that is off by default. The net log, written to the file NETLOG, shows each
// request that was sent over HTTP/3.
import { once } from 'node:events'
import { createRequire } from 'node:module'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES ?? process.cwd(), 'x.js'))
const { chromium } = require('playwright-core')
const [address, spki, executablePath, netLog] = process.argv.slice(2)
const { host } = new URL(address)
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'sansocket-http3-'))

let checks = 0
function same(what, got, expected) {
  checks += 1
  if (JSON.stringify(got) !== JSON.stringify(expected))
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`)
}

// Runs in the page. Opens WebSockets at once, and exchanges all messages on each of them.
async function exchange({ url, number, code }) {
  const bytes = length => Uint8Array.from({ length }, (_, i) => i * 7)
  const messages = ['Hello', '', '🌍 Grüße', 'and so on '.repeat(10_000), bytes(0), bytes(200_000), bytes(1 << 20)]
  const within = (promise, what) => Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error(`no ${what}`)), 30_000))])
  const next = (socket, kind) => within(new Promise(resolve => socket.addEventListener(kind, resolve, { once: true })), kind)
  const equal = (sent, got) =>
    typeof sent === 'string' ? sent === got : got.byteLength === sent.length && new Uint8Array(got).every((byte, i) => byte === sent[i])
  async function one(index) {
    const socket = new WebSocket(url)
    socket.binaryType = 'arraybuffer'
    await next(socket, 'open')
    for (const message of index === 0 ? messages : messages.slice(0, 4)) {
      socket.send(message)
      if (!equal(message, (await next(socket, 'message')).data)) return `${index}: another echo of ${message.length}`
    }
    socket.close(code, 'bye')
    const end = await next(socket, 'close')
    return [socket.extensions, end.code, end.reason, end.wasClean]
  }
  return Promise.all(Array.from({ length: number }, (_, index) => one(index)))
}

// Returns the pseudo-headers of the requests that were sent over HTTP/3, with their QUIC session, from the net log.
function requests() {
  const { constants, events } = JSON.parse(fs.readFileSync(netLog, 'utf8'))
  const kind = constants.logEventTypes.HTTP3_HEADERS_SENT
  const sent = events.filter(event => event.type === kind).map(({ params, source }) => {
    const pseudo = params.headers.filter(line => line.startsWith(':')).map(line => line.split(/(?<=.): (.*)/s))
    return { session: source.id, ...Object.fromEntries(pseudo) }
  })
  return sent.filter(fields => fields[':authority'] === host)
}

const browser = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  chromiumSandbox: false,
  args: [
    '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--enable-quic', `--origin-to-force-quic-on=${host}`, `--ignore-certificate-errors-spki-list=${spki}`,
    '--enable-features=EnableWebsocketsOverHttp3', `--log-net-log=${netLog}`,
  ],
})
let status = 0
try {
  const page = browser.pages()[0] ?? (await browser.newPage())
  page.setDefaultTimeout(15_000)
  const problems = []
  page.on('pageerror', error => problems.push(String(error)))
  page.on('console', line => line.type() === 'error' && problems.push(line.text()))
  await page.goto(address)
  same('the protocol of the page', await page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol), 'h3')
  same('the version in the page', (await page.locator('#http').textContent()).startsWith('This page was sent over HTTP/3.'), true)

  // The page as a visitor uses it.
  const named = (role, name) => page.getByRole(role, { name, exact: true })
  const becomes = text => page.waitForFunction(t => document.querySelector('[role=status]').textContent === t, text)
  await named('button', 'Connect').click()
  await becomes('Open')
  await named('textbox', 'Message to send').fill('Grüße, 世界 🌍')
  await named('button', 'Send').click()
  await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 3)
  await named('button', 'Close Socket').click()
  await becomes('Closed')
  const rows = await page.locator('tbody tr').evaluateAll(all => all.map(row => row.cells[2].textContent))
  same('the echo in the page', rows.slice(1, 3), ['Grüße, 世界 🌍', 'Grüße, 世界 🌍'])
  same('the close code in the page', rows[3], 'Connection closed. Code: 1000. Reason: Closing from client.')

  const url = `wss://${host}/ws`
  for (const [number, code] of [[1, 3001], [20, 1000]]) {
    const got = await page.evaluate(exchange, { url, number, code })
    same(`${number} at once`, got, Array(number).fill(['permessage-deflate', code, 'bye', true]))
  }
  // A refusal: another path.
  const refused = await page.evaluate(url => new Promise(resolve => { new WebSocket(url).onclose = end => resolve(end.code) }), `wss://${host}/other`)
  same('the close code of a refusal', refused, 1006)
  same('no error in the console but the refusal', problems.filter(text => !text.includes('/other')), [])
} catch (error) {
  status = 1
  console.log(`FAILED: ${error.message}`)
} finally {
  const process = browser.browser()
  await browser.close()
  if (process?.isConnected()) await once(process, 'disconnected')
  fs.rmSync(profile, { recursive: true, force: true })
}
if (status === 0) {
  try {
    const sent = requests()
    const of = method => sent.filter(fields => fields[':method'] === method)
    same('the GET requests over HTTP/3', of('GET').map(fields => fields[':path']), ['/'])
    const opened = of('CONNECT')
    same('the CONNECT requests over HTTP/3', opened.length, 1 + 1 + 20 + 1)
    same('the QUIC sessions', new Set(sent.map(({ session }) => session)).size, 1)
    same('their :protocol', [...new Set(opened.map(fields => fields[':protocol']))], ['websocket'])
    console.log(`${checks} checks passed; in the net log, the page and ${opened.length} CONNECT requests on one session of HTTP/3`)
  } catch (error) {
    status = 1
    console.log(`FAILED: ${error.message}`)
  }
}
process.exit(status)
