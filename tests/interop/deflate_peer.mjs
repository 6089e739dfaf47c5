// permessage-deflate with npm `ws` as the other end, over windows and context takeover of both directions.
//
//   deflate_peer.mjs client ws://HOST:PORT/ws SERVER_BITS CLIENT_BITS TAKEOVER
//   deflate_peer.mjs server
//
// The arguments and the server's query are those of deflate_peer.py, which describes them. Other than Python's, this server
// insists: without `client_max_window_bits` in the offer it refuses if its query has it.
//
// zlib gives what came in small pieces, so a reference that goes back further than the agreed window fails here.
import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES ?? process.cwd(), 'x.js'))
const WebSocket = require('ws')

// No connection may hang: a lost answer is a failure after this time.
const CASE_MS = 20_000
const BITS = [9, 10, 11, 12, 13, 14, 15]
const FLAGS = ['server_no_context_takeover', 'client_no_context_takeover']

// The parameters of an offer or of an answer as the library's options; messages of any length are compressed. What comes is
// inflated in pieces that grow with the window, or the test would take too long.
const optionsOf = parameters => {
  const bits = value => (value === null ? true : value)
  return {
    // `undefined` is not asked for, `false` would be ruled out.
    serverNoContextTakeover: FLAGS[0] in parameters || undefined,
    clientNoContextTakeover: FLAGS[1] in parameters || undefined,
    serverMaxWindowBits: parameters.server_max_window_bits,
    clientMaxWindowBits: 'client_max_window_bits' in parameters ? bits(parameters.client_max_window_bits) : false,
    threshold: 0,
    zlibInflateOptions: { chunkSize: Math.max(64, 2 ** (parameters.inflate_bits - 5)) },
  }
}

// The same bytes in each run, and nothing in them that repeats.
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

  // What comes again at the window's length, one byte nearer, and one byte further.
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

// What RFC 7692 7.1 makes of an offer and a server's settings.
function agreement(offer, settings) {
  const flags = Object.fromEntries(FLAGS.map(flag => [flag, flag in offer || flag in settings]))
  // A client that doesn't offer it can't be told.
  const told = 'client_max_window_bits' in offer
  return {
    ...flags,
    server_max_window_bits: Math.min(offer.server_max_window_bits ?? 15, settings.server_max_window_bits),
    client_max_window_bits: told ? Math.min(offer.client_max_window_bits ?? 15, settings.client_max_window_bits) : 15,
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
  // Without an answer the offer's own value holds.
  const bits = answer.client_max_window_bits ?? offer.client_max_window_bits ?? 15
  same(`client_max_window_bits in ${header}`, bits, wanted.client_max_window_bits)
}

// Every window of one side with every one of the other, and context takeover of either side in turn.
function* offers() {
  yield {}
  yield { client_max_window_bits: null }
  for (const server of BITS)
    for (const client of BITS) {
      // Each window of each side comes with each of the four.
      const flags = Object.fromEntries(FLAGS.filter((_, bit) => ((server + client) >> bit) & 1).map(flag => [flag, null]))
      yield { server_max_window_bits: server, client_max_window_bits: client, ...flags }
    }
  for (const flag of FLAGS) yield { [flag]: null }
  // RFC 7692 allows 8 as well. zlib can't compress with it, so only what the other side sends is asked for like that.
  yield { server_max_window_bits: 8 }
}

// A connection whose messages can be awaited, and whose bytes are counted.
class Connection {
  #messages = []
  #waiting = []

  static async open(url, options) {
    const connection = new Connection()
    // Read by us as well as by the library: only the socket knows how many bytes came.
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

  // Returns how many bytes the echo took.
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

  // The same message twice: only with context takeover the second one is a mere reference to the first.
  async takeoverSeen(noise, wanted) {
    // Hexadecimal, so that it shrinks by itself too; shorter than any window.
    const message = noise.hex(200)
    const first = await this.echoed(message)
    const second = await this.echoed(message)
    const lengths = `${message.length} bytes came as ${first} and ${second}`
    if (first > message.length * 0.9) throw new Error(`not compressed: ${lengths}`)
    if (wanted.server_no_context_takeover) {
      if (second < first * 0.9) throw new Error(`context takeover was ruled out, but ${lengths}`)
    } else if (second > first / 3) throw new Error(`the context was not taken over: ${lengths}`)
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
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`nothing for ${ms} ms`)), ms)))
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

// Each connection gets the settings that its query asks for.
function settle(request, socket, head) {
  const query = new URL(request.url, 'ws://localhost').searchParams
  const wanted = Object.fromEntries([...query].map(([key, value]) => [key, value ? Number(value) : null]))
  const [, offered = 15] = /client_max_window_bits=(\d+)/.exec(request.headers['sec-websocket-extensions']) ?? []
  const options = optionsOf({ ...wanted, inflate_bits: Math.min(offered, wanted.client_max_window_bits ?? 15) })
  if (!('client_max_window_bits' in wanted)) delete options.clientMaxWindowBits
  const server = new WebSocket.Server({ noServer: true, perMessageDeflate: options })
  server.handleUpgrade(request, socket, head, ws => {
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
    ws.on('error', () => {}) // our client sees the connection fail
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
