// Opens twenty WebSockets of one page in a headless Chromium, uses them at the same time, and waits for the end of the sample app.
//
//   twenty.mjs PATH-OF-CHROMIUM VERSION goodbye ws[s]://HOST:PORT/ws
//
// VERSION is the expected version of HTTP, HTTP/1.1 or HTTP/2. Prints READY when all messages are echoed; then the app must be
// ended, and the close code of each WebSocket must be 1001.
import { run, same, sameVersion } from './browser.mjs'

const [executablePath, version, , socketUrl] = process.argv.slice(2)
const COUNT = 20
const SECONDS = 10

// Runs in the page. When all WebSockets are open, each sends a text, an empty message, and bytes.
async function open([url, count, seconds]) {
  const within = (what, promise) =>
    Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: not within ${seconds} s`)), seconds * 1000))])
  const sockets = Array.from({ length: count }, () => new WebSocket(url))
  globalThis.ends = sockets.map(socket => new Promise(resolve => socket.addEventListener('close', ({ code, reason, wasClean }) => resolve([code, reason, wasClean]))))
  const opened = sockets.map(socket => new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('close', () => reject(new Error('closed')))
  }))
  await within('open', Promise.all(opened))
  const echoes = sockets.map(async (socket, i) => {
    socket.binaryType = 'arraybuffer'
    // An empty message is not the last one: over HTTP/2 Chromium 156 sometimes sends it only before the next message.
    const sent = [`Grüße, 世界 🌍 ${i}`, '', Uint8Array.from({ length: 10_000 * (i + 1) }, (_, n) => n * i)]
    if (i % 2) sent.reverse()
    const received = []
    const all = new Promise(resolve => socket.addEventListener('message', ({ data }) => received.push(data) === sent.length && resolve()))
    sent.forEach(message => socket.send(message))
    await all
    return sent.every((message, n) => {
      if (typeof message === 'string') return message === received[n]
      const bytes = new Uint8Array(received[n])
      return bytes.length === message.length && bytes.every((byte, at) => byte === message[at])
    })
  })
  return within('echo', Promise.all(echoes))
}

const address = socketUrl.replace(/^ws/, 'http').replace(/ws$/, '')
await run(
  address,
  executablePath,
  version,
  async page => {
    await page.goto(address)
    same('the echoes', await page.evaluate(open, [socketUrl, COUNT, SECONDS]), Array(COUNT).fill(true))
    console.log('READY')
    page.setDefaultTimeout(SECONDS * 1000)
    same('the ends', await page.evaluate(() => Promise.all(globalThis.ends)), Array(COUNT).fill([1001, 'server shutdown', true]))
  },
  log => {
    sameVersion(version, log, COUNT, COUNT)
    if (version === 'HTTP/2') same('GOAWAY', log.sessions[0].goneAway, true)
  },
)
