// A headless Chromium, controlled by npm playwright-core, for the page of the sample app.
import crypto from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import tls from 'node:tls'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES ?? process.cwd(), 'x.js'))
const { chromium } = require('playwright-core')

let checks = 0
export const passed = () => `${checks} checks passed`
export function same(what, got, expected) {
  checks += 1
  if (JSON.stringify(got) !== JSON.stringify(expected))
    throw new Error(`${what}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(got)}`)
}

async function publicKeyHash({ hostname, port }) {
  const socket = tls.connect({ host: hostname, port })
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(10_000) })
  const key = socket.getPeerX509Certificate().publicKey.export({ type: 'spki', format: 'der' })
  socket.end()
  return crypto.createHash('sha256').update(key).digest('base64')
}

// Runs `body` with a browser, whose version of HTTP over https is `version`, then `check` with its net log. Ends the process.
//
// Over https, Node must trust the certificate (NODE_EXTRA_CA_CERTS). Chromium accepts it by its public key, and no other one.
export async function run(address, executablePath, version, body, check) {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'sansocket-page-'))
  const log = path.join(profile, 'net-log.json')
  const args = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  let status = 0
  let browser
  try {
    const url = new URL(address)
    if (url.protocol === 'https:') args.push(`--ignore-certificate-errors-spki-list=${await publicKeyHash(url)}`)
    if (version === 'HTTP/1.1') args.push('--disable-http2')
    // A temporary profile, and a browser without requests of its own.
    browser = await chromium.launchPersistentContext(profile, {
      executablePath,
      headless: true,
      chromiumSandbox: false,
      viewport: { width: 900, height: 700 },
      args: [...args, `--log-net-log=${log}`, '--net-log-capture-mode=Everything'],
    })
    const page = browser.pages()[0] ?? (await browser.newPage())
    page.setDefaultTimeout(10_000)
    await body(page)
    // The log is complete after the end of the browser.
    await browser.close()
    browser = undefined
    check(readNetLog(log, url.host))
    console.log(passed())
  } catch (error) {
    status = 1
    console.log(`FAILED: ${error.message}`)
  } finally {
    await browser?.close()
    fs.rmSync(profile, { recursive: true, force: true })
  }
  process.exit(status)
}

// Reads the requests to `host` in a net log: the WebSockets over HTTP/1.1, and each session of HTTP/2 with its streams.
function readNetLog(file, host) {
  const { constants, events } = JSON.parse(fs.readFileSync(file, 'utf8'))
  const nameOf = numbers => Object.fromEntries(Object.entries(numbers).map(([name, number]) => [number, name]))
  const types = nameOf(constants.logEventTypes)
  const sessions = new Map()
  let upgrades = 0
  for (const { type, source, params } of events) {
    if (types[type] === 'HTTP_TRANSACTION_SEND_REQUEST_HEADERS' && params?.headers?.some(field => /^upgrade: websocket$/i.test(field))) upgrades += 1
    if (types[type] === 'HTTP2_SESSION' && params?.host === host) sessions.set(source.id, new Http2Session())
    sessions.get(source.id)?.add(types[type].replace(/^HTTP2_SESSION_/, ''), params)
  }
  return { upgrades, sessions: [...sessions.values()] }
}

class Http2Session {
  allowsWebSockets = false
  // The streams by their id.
  streams = new Map()
  // The largest number of WebSockets that were open at the same time.
  most = 0
  goneAway = false

  add(type, params) {
    if (type === 'RECV_SETTING' && params.id.startsWith('8 ')) this.allowsWebSockets = params.value === 1
    if (type === 'RECV_GOAWAY') this.goneAway = true
    if (type === 'SEND_HEADERS') {
      const webSocket = params.headers.includes(':method: CONNECT') && params.headers.includes(':protocol: websocket')
      const path = params.headers.find(field => field.startsWith(':path: ')).slice(7)
      this.streams.set(params.stream_id, { webSocket, path, sent: 0, received: 0, ends: [] })
    }
    const stream = this.streams.get(params?.stream_id)
    if (!stream) return
    if (type === 'RECV_HEADERS') stream.status ??= params.headers[0]
    if (type === 'SEND_DATA') stream.sent += params.size
    if (type === 'RECV_DATA') stream.received += params.size
    if (params.fin && type.startsWith('SEND_')) stream.ends.push('sent END_STREAM')
    if (params.fin && type.startsWith('RECV_')) stream.ends.push('received END_STREAM')
    if (type.endsWith('_RST_STREAM')) stream.ends.push(type)
    this.most = Math.max(this.most, this.webSockets().filter(({ status, ends }) => status && ends.length === 0).length)
  }

  webSockets() {
    return [...this.streams.values()].filter(({ webSocket }) => webSocket)
  }
}

// Checks that the page and `count` WebSockets used this version. Over HTTP/2 they are streams of one session, of which `most` were
// open at the same time.
export function sameVersion(version, { upgrades, sessions }, count, most) {
  if (version === 'HTTP/1.1') {
    same('the WebSockets over HTTP/1.1', upgrades, count)
    same('the sessions of HTTP/2', sessions.length, 0)
    return
  }
  same('the WebSockets over HTTP/1.1', upgrades, 0)
  same('the sessions of HTTP/2', sessions.length, 1)
  const [session] = sessions
  const webSockets = session.webSockets()
  same('SETTINGS_ENABLE_CONNECT_PROTOCOL', session.allowsWebSockets, true)
  same('the other requests', [...session.streams.values()].filter(stream => !stream.webSocket).map(({ path, status }) => [path, status]), [['/', ':status: 200']])
  same('the WebSockets over HTTP/2', webSockets.map(({ path, status }) => [path, status]), Array(count).fill(['/ws', ':status: 200']))
  same('all of them have sent and received DATA', webSockets.every(({ sent, received }) => sent > 0 && received > 0), true)
  same('the ends of their streams', webSockets.map(({ ends }) => ends.sort().join()), Array(count).fill('received END_STREAM,sent END_STREAM'))
  same('the WebSockets open at the same time', session.most, most)
}
