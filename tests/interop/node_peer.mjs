// Tests sansocket with npm `ws`.
//
//   node_peer.mjs client ws://HOST:PORT/ws    runs all cases with an echo server
//   node_peer.mjs goodbye ws://HOST:PORT/ws   connects, prints READY, and expects close code 1001 when the server ends
//   node_peer.mjs server                      serves our client; prints its address
//
// The paths of the server are those of python_peer.py, which describes them. The packages are in $INTEROP_NODE_MODULES, outside
// of the repository.
import { createRequire } from 'node:module'
import { once } from 'node:events'
import path from 'node:path'

const require = createRequire(path.join(process.env.INTEROP_NODE_MODULES ?? process.cwd(), 'x.js'))
const WebSocket = require('ws')

const LENGTHS = [1, 125, 126, 65535, 65536, 1 << 20]
const PIPELINED = 300
// The timeout of a case, so that a lost reply is a failure and not a hang.
const CASE_MS = 10_000

const textOf = length => '0123456789abcdef'.repeat(length / 16 + 1).slice(0, length)
const bytesOf = length => Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff))
const brief = value =>
  Buffer.isBuffer(value) ? `binary of ${value.length}` : typeof value === 'string' ? `text of ${value.length}: ${value.slice(0, 40)}` : String(value)

function same(got, expected) {
  const equal = Buffer.isBuffer(expected) ? Buffer.isBuffer(got) && got.equals(expected) : got === expected
  if (!equal) throw new Error(`expected ${brief(expected)}, got ${brief(got)}`)
}

// A WebSocket with queues of its messages, pongs and close codes.
class Peer {
  constructor(ws) {
    this.ws = ws
    this.queues = { message: [], pong: [], close: [] }
    this.waiting = { message: [], pong: [], close: [] }
    this.error = undefined
    ws.on('message', (data, isBinary) => this.#put('message', isBinary ? data : data.toString()))
    ws.on('pong', data => this.#put('pong', data))
    ws.on('close', code => this.#put('close', code))
    ws.on('error', error => (this.error = error))
  }

  #put(kind, value) {
    const next = this.waiting[kind].shift()
    if (next) next(value)
    else this.queues[kind].push(value)
    if (kind !== 'close') return
    for (const other of ['message', 'pong'])
      for (const next of this.waiting[other].splice(0)) next(new Error(`closed with ${value}`))
  }

  async next(kind) {
    const value = this.queues[kind].length
      ? this.queues[kind].shift()
      : await new Promise(resolve => this.waiting[kind].push(resolve))
    if (value instanceof Error) throw value
    return value
  }

  send(data, options) {
    return new Promise((resolve, reject) => this.ws.send(data, options, e => (e ? reject(e) : resolve())))
  }

  async echoed(message) {
    await this.send(message)
    same(await this.next('message'), message)
  }

  // Sends one message in three fragments, with a ping and an unsolicited pong between them. The ping must be answered.
  async fragments(pieces, binary) {
    await this.send(pieces[0], { fin: false, binary })
    this.ws.ping('between fragments')
    await this.send(pieces[1], { fin: false, binary })
    this.ws.pong('unsolicited')
    await this.send(pieces[2], { fin: true, binary })
  }

  async fragmentsEchoed(pieces, whole) {
    await this.fragments(pieces, Buffer.isBuffer(whole))
    same(await this.next('message'), whole)
    same((await this.next('pong')).toString(), 'between fragments')
  }

  async pings() {
    for (const payload of [Buffer.alloc(0), Buffer.from('p'), bytesOf(125)]) {
      this.ws.ping(payload)
      same(await this.next('pong'), payload)
    }
    this.ws.pong('unsolicited')
    await this.echoed('after a pong')
  }

  async pipelined() {
    const sent = Array.from({ length: PIPELINED }, (_, i) => (i % 2 ? `message ${i}` : Buffer.alloc(i, i & 0xff)))
    // No send waits, and replies are read in later turns of the event loop: all messages are sent before the first reply is read.
    const done = Promise.all(sent.map(message => this.send(message)))
    done.catch(() => {}) // reported below, unless a reply is wrong
    for (const message of sent) same(await this.next('message'), message)
    await done
  }

  async close(code) {
    if (code === undefined) this.ws.close()
    else this.ws.close(code, 'done')
    const got = await this.next('close')
    same(got, code ?? 1005)
    if (this.error) throw this.error
  }
}

async function connect(url) {
  const ws = new WebSocket(url)
  await once(ws, 'open')
  return new Peer(ws)
}

function* clientCases() {
  const binary = bytesOf(256)
  yield ['text', peer => peer.echoed('Grüße, 世界 🌍')]
  yield ['binary', peer => peer.echoed(binary)]
  yield ['empty text', peer => peer.echoed('')]
  yield ['empty binary', peer => peer.echoed(Buffer.alloc(0))]
  for (const length of LENGTHS) {
    yield [`text of ${length}`, peer => peer.echoed(textOf(length))]
    yield [`binary of ${length}`, peer => peer.echoed(bytesOf(length))]
  }
  yield ['text fragments', peer => peer.fragmentsEchoed(['Grü', '', 'ße'], 'Grüße')]
  const zeros = Buffer.alloc(70_000)
  yield ['binary fragments', peer => peer.fragmentsEchoed([zeros, Buffer.from([1]), Buffer.alloc(0)], Buffer.concat([zeros, Buffer.from([1])]))]
  yield ['pings and pongs', peer => peer.pings()]
  yield [`${PIPELINED} pipelined`, peer => peer.pipelined()]
  for (const code of [1000, 1001, 3000, undefined])
    yield [`close ${code ?? 'without a code (1005)'}`, peer => peer.echoed('before the close'), code]
}

function within(ms, promise) {
  let timer
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`timed out after ${ms} ms`)), ms)))
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

async function client(url) {
  let passed = 0
  let failed = 0
  for (const [name, body, ...close] of clientCases()) {
    let peer
    try {
      peer = await within(CASE_MS, connect(url))
      await within(CASE_MS, body(peer))
      await within(CASE_MS, peer.close(close.length ? close[0] : 1000))
      passed += 1
    } catch (error) {
      failed += 1
      console.log(`FAILED ${name}: ${error.message}`)
      peer?.ws.terminate()
    }
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed ? 1 : 0
}

async function goodbye(url) {
  const peer = await within(CASE_MS, connect(url))
  await within(CASE_MS, peer.echoed('hello'))
  console.log('READY')
  const start = Date.now()
  const code = await within(CASE_MS, peer.next('close'))
  console.log(`close ${code} after ${((Date.now() - start) / 1000).toFixed(1)} s`)
  same(code, 1001)
  return 0
}

async function answer(ws, route) {
  const peer = new Peer(ws)
  if (route === '/echo') {
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }))
  } else if (route === '/fragments') {
    try {
      for (const pieces of [['Grü', '', 'ße'], [Buffer.alloc(70_000), Buffer.from([1]), Buffer.alloc(0)]]) {
        await peer.fragments(pieces, Buffer.isBuffer(pieces[0]))
        same((await within(CASE_MS, peer.next('pong'))).toString(), 'between fragments')
      }
      ws.send('pong ok')
    } catch (error) {
      if (ws.readyState === WebSocket.OPEN) ws.send(`pong wrong: ${error.message}`)
    }
  } else if (route.startsWith('/close/')) {
    await peer.next('message')
    const code = route.slice('/close/'.length)
    if (code === 'none') ws.close()
    else ws.close(Number(code), 'done')
  } else {
    ws.close(1011, 'no such path')
  }
}

async function server() {
  const listening = new WebSocket.Server({ host: '127.0.0.1', port: 0, perMessageDeflate: true })
  await once(listening, 'listening')
  listening.on('connection', (ws, request) => answer(ws, request.url.split('?')[0]).catch(() => ws.terminate()))
  console.log(`listening on 127.0.0.1:${listening.address().port}`)
  await once(listening, 'close')
  return 0
}

const runs = { client, goodbye, server }
const [mode, ...args] = process.argv.slice(2)
if (!runs[mode]) {
  console.error('usage: node_peer.mjs client|goodbye|server [URL]')
  process.exit(2)
}
try {
  process.exit(await runs[mode](...args))
} catch (error) {
  console.log(`FAILED: ${error.message}`)
  process.exit(1)
}
