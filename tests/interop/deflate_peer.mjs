// Tests permessage-deflate with npm `ws`: all windows, and context takeover in both directions.
//
//   deflate_peer.mjs client ws://HOST:PORT/ws SERVER_BITS CLIENT_BITS TAKEOVER
//   deflate_peer.mjs server
//
// The arguments and the query of the server are those of deflate_peer.py, which describes them. Unlike the server of Python,
// this one requires `client_max_window_bits` in the offer if its query has it.
//
// zlib returns its output in small chunks, so that a reference beyond the agreed window is an error.
import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES ?? process.cwd(), 'x.js'))
const WebSocket = require('ws')

// The timeout of a connection, so that a lost reply is a failure and not a hang.
const CASE_MS = 20_000
const BITS = [9, 10, 11, 12, 13, 14, 15]
const FLAGS = ['server_no_context_takeover', 'client_no_context_takeover']

// Returns the parameters of an offer or a response as options of the library. Messages of any length are compressed. Received
// messages are inflated in chunks; their size grows with the window, which keeps the test short.
const optionsOf = parameters => {
  const bits = value => (value === null ? true : value)
  return {
    // `undefined` leaves the parameter out; `false` would forbid it.
    serverNoContextTakeover: FLAGS[0] in parameters || undefined,
    clientNoContextTakeover: FLAGS[1] in parameters || undefined,
    serverMaxWindowBits: parameters.server_max_window_bits,
    clientMaxWindowBits: 'client_max_window_bits' in parameters ? bits(parameters.client_max_window_bits) : false,
    threshold: 0,
    zlibInflateOptions: { chunkSize: Math.max(64, 2 ** (parameters.inflate_bits - 5)) },
  }
}

// Bytes without repetition, the same in each run.
class Noise {
  #count = 0

  bytes(length) {
    const blocks = []
    for (let made = 0; made < length; made += 32) blocks.push(createHash('sha256').update(String((this.#count += 1))).digest())
    return Buffer.concat(blocks).subarray(0, length)
  }

  hex(length) {
    return this.bytes(length / 2).toString('hex')
  }

  letters(length) {
    return this.bytes(length).toString('base64').slice(0, length)
  }

  record() {
    const entry = () => `{"id": ${this.bytes(4).readUInt32LE()}, "name": "${this.letters(6)}", "price": ${this.bytes(1)[0] / 7}, "open": true}`
    return `[${Array.from({ length: 5 }, entry).join(', ')}]`
  }

  // Returns text that repeats at a distance of the window, of one byte less, and of one byte more.
  around(bits) {
    const again = this.letters(40)
    return [-1, 0, 1].map(off => again + this.letters(2 ** bits - again.length + off)).join('') + again
  }
}

function* messages(noise, serverBits, clientBits) {
  yield noise.record()
  yield noise.record()
  for (const bits of new Set([serverBits, clientBits])) {
    yield noise.around(bits)
    yield noise.letters(2 ** bits).repeat(2)
  }
  yield noise.bytes(5000)
  yield ''
  yield Buffer.alloc(0)
  yield Buffer.alloc(100_000)
  yield noise.bytes(3)
  yield noise.record()
}

const brief = value =>
  Buffer.isBuffer(value) ? `binary of ${value.length}` : typeof value === 'string' ? `text of ${value.length}: ${value.slice(0, 40)}` : String(value)

function same(what, got, expected) {
  const equal = Buffer.isBuffer(expected) ? Buffer.isBuffer(got) && got.equals(expected) : got === expected
  if (!equal) throw new Error(`${what}: expected ${brief(expected)}, got ${brief(got)}`)
}

// Returns the agreement of an offer and the settings of a server by RFC 7692 7.1.
function agreement(offer, settings) {
  const flags = Object.fromEntries(FLAGS.map(flag => [flag, flag in offer || flag in settings]))
  // The response has this parameter only if the client offered it.
  const offered = 'client_max_window_bits' in offer
  return {
    ...flags,
    server_max_window_bits: Math.min(offer.server_max_window_bits ?? 15, settings.server_max_window_bits),
    client_max_window_bits: offered ? Math.min(offer.client_max_window_bits ?? 15, settings.client_max_window_bits) : 15,
  }
}

function parametersOf(header) {
  const [name, ...rest] = header.split(';').map(part => part.trim())
  same('the extension', name, 'permessage-deflate')
  const found = {}
  for (const parameter of rest) {
    const [key, value] = parameter.split('=')
    if (key in found) throw new Error(`${key} twice in ${header}`)
    found[key] = value === undefined ? null : Number(value)
  }
  return found
}

function checkAnswer(offer, wanted, header = '') {
  const answer = parametersOf(header)
  for (const flag of FLAGS) same(`${flag} in ${header}`, flag in answer, wanted[flag])
  same(`server_max_window_bits in ${header}`, answer.server_max_window_bits ?? 15, wanted.server_max_window_bits)
  if ('server_max_window_bits' in offer && !('server_max_window_bits' in answer))
    throw new Error(`server_max_window_bits was offered and is missing in ${header}`)
  if (!('client_max_window_bits' in offer))
    return same(`client_max_window_bits in ${header}, which was not offered`, 'client_max_window_bits' in answer, false)
  // If the response has no value, the value of the offer applies.
  const bits = answer.client_max_window_bits ?? offer.client_max_window_bits ?? 15
  same(`client_max_window_bits in ${header}`, bits, wanted.client_max_window_bits)
}

// Yields all pairs of windows of both ends, with varying context takeover, and some special offers.
function* offers() {
  yield {}
  yield { client_max_window_bits: null }
  for (const server of BITS)
    for (const client of BITS) {
      // Each window of each end is combined with each of the four settings of context takeover.
      const flags = Object.fromEntries(FLAGS.filter((_, bit) => ((server + client) >> bit) & 1).map(flag => [flag, null]))
      yield { server_max_window_bits: server, client_max_window_bits: client, ...flags }
    }
  for (const flag of FLAGS) yield { [flag]: null }
  // RFC 7692 allows 8 bits too. zlib cannot compress with 8, so only the window of the other end is limited to it.
  yield { server_max_window_bits: 8 }
}

// A connection with a queue of received messages and a count of received bytes.
class Connection {
  #messages = []
  #waiting = []

  static async open(url, options) {
    const connection = new Connection()
    // The socket is kept, since only it has the count of received bytes.
    const createConnection = to => (connection.socket = net.connect(to))
    const ws = (connection.ws = new WebSocket(url, { perMessageDeflate: options, createConnection }))
    ws.on('upgrade', response => (connection.header = response.headers['sec-websocket-extensions']))
    ws.on('message', (data, isBinary) => connection.#put(isBinary ? data : data.toString()))
    await once(ws, 'open')
    ws.on('error', error => (connection.error = error))
    ws.on('close', code => connection.#put(connection.error ?? new Error(`closed with ${code}`)))
    return connection
  }

  #put(message) {
    const next = this.#waiting.shift()
    if (next) next(message)
    else this.#messages.push(message)
  }

  async next() {
    const message = this.#messages.length ? this.#messages.shift() : await new Promise(resolve => this.#waiting.push(resolve))
    if (message instanceof Error) throw message
    return message
  }

  // Returns the number of bytes of the echo on the wire.
  async echoed(message) {
    const before = this.socket.bytesRead
    this.ws.send(message)
    same('the echo', await this.next(), message)
    return this.socket.bytesRead - before
  }

  async fragments(pieces) {
    const pong = once(this.ws, 'pong')
    pieces.forEach((piece, i) => {
      this.ws.send(piece, { fin: i === pieces.length - 1 })
      if (i === 1) this.ws.ping()
    })
    same('the echo of fragments', await this.next(), pieces.join(''))
    await pong
  }

  // Echoes a message twice. Only with context takeover the second echo is a short reference to the first.
  async takeoverSeen(noise, wanted) {
    // Hexadecimal digits, so that the first echo shrinks too; shorter than every window.
    const message = noise.hex(200)
    const first = await this.echoed(message)
    const second = await this.echoed(message)
    const lengths = `${message.length} bytes arrived as ${first} and ${second}`
    if (first > message.length * 0.9) throw new Error(`not compressed: ${lengths}`)
    if (wanted.server_no_context_takeover) {
      if (second < first * 0.9) throw new Error(`context takeover in spite of the agreement: ${lengths}`)
    } else if (second > first / 3) throw new Error(`no context takeover: ${lengths}`)
  }

  async close() {
    this.ws.close(1000)
    const [code] = await once(this.ws, 'close')
    same('the close code', code, 1000)
    if (this.error) throw this.error
  }
}

async function oneOffer(url, offer, settings) {
  const wanted = agreement(offer, settings)
  const connection = await Connection.open(url, optionsOf({ ...offer, inflate_bits: wanted.server_max_window_bits }))
  try {
    checkAnswer(offer, wanted, connection.header)
    const noise = new Noise()
    await connection.takeoverSeen(noise, wanted)
    for (const message of messages(noise, wanted.server_max_window_bits, wanted.client_max_window_bits)) await connection.echoed(message)
    await connection.fragments([noise.record(), '', noise.record(), 'ß'])
    await connection.echoed(noise.record())
    await connection.close()
  } finally {
    connection.ws.terminate()
  }
}

function within(ms, promise) {
  let timer
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`timed out after ${ms} ms`)), ms)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function client(url, serverBits, clientBits, takeover) {
  const settings = { server_max_window_bits: Number(serverBits), client_max_window_bits: Number(clientBits) }
  if (takeover === '0') for (const flag of FLAGS) settings[flag] = null
  let passed = 0
  let failed = 0
  for (const offer of offers()) {
    try {
      await within(CASE_MS, oneOffer(url, offer, settings))
      passed += 1
    } catch (error) {
      failed += 1
      console.log(`FAILED offer ${JSON.stringify(offer)}: ${error.message}`)
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed ? 1 : 0
}

// Sets the settings of a connection from the query of its request.
function settle(request, socket, head) {
  const query = new URL(request.url, 'ws://localhost').searchParams
  const wanted = Object.fromEntries([...query].map(([key, value]) => [key, value ? Number(value) : null]))
  const [, offered = 15] = /client_max_window_bits=(\d+)/.exec(request.headers['sec-websocket-extensions']) ?? []
  const options = optionsOf({ ...wanted, inflate_bits: Math.min(offered, wanted.client_max_window_bits ?? 15) })
  if (!('client_max_window_bits' in wanted)) delete options.clientMaxWindowBits
  const server = new WebSocket.Server({ noServer: true, perMessageDeflate: options })
  server.handleUpgrade(request, socket, head, ws => {
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
    ws.on('error', () => {}) // our client reports the failure
  })
}

async function server() {
  const listening = http.createServer().listen(0, '127.0.0.1')
  await once(listening, 'listening')
  listening.on('upgrade', settle)
  console.log(`listening on 127.0.0.1:${listening.address().port}`)
  await once(listening, 'close')
  return 0
}

const runs = { client, server }
const [mode, ...args] = process.argv.slice(2)
if (!runs[mode]) {
  console.error('usage: deflate_peer.mjs client URL SERVER_BITS CLIENT_BITS TAKEOVER | server')
  process.exit(2)
}
try {
  process.exit(await runs[mode](...args))
} catch (error) {
  console.log(`FAILED: ${error.message}`)
  process.exit(1)
}
