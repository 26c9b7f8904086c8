// The official JavaScript client, driven line by line: commands as JSON on stdin, what it saw as JSON on stdout.
// `node phoenix_client.mjs PATH_OF_PHOENIX_MJS`. Everything it is told or sees names the topic it is about.

import { createInterface } from "node:readline"

const { Presence, Socket } = await import(process.argv[2])
const channels = new Map()
let socket = null

const tell = (saw, facts = {}) => process.stdout.write(JSON.stringify({ saw, ...facts }) + "\n")

// JSON has no bytes: they are told as { bytes: [...] }.
function plain(value) {
  if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] }
  if (value && value.response instanceof ArrayBuffer) return { ...value, response: plain(value.response) }
  return value
}

const known = value => (value && value.bytes ? new Uint8Array(value.bytes).buffer : value)

function watch(channel, topic) {
  channel.onMessage = (event, payload) => {
    if (event && !event.startsWith("chan_reply_")) tell("message", { topic, event, payload: plain(payload) })
    return payload
  }
  channel.onError(() => tell("channel error", { topic }))
  channel.onClose(() => tell("channel closed", { topic }))
}

function follow(channel, topic) {
  const presence = new Presence(channel)
  presence.onSync(() => tell("presence", { topic, keys: presence.list(key => key).sort() }))
}

const commands = {
  connect({ url, params, token }) {
    const soon = () => 50
    socket = new Socket(url, {
      params, authToken: token, reconnectAfterMs: soon, rejoinAfterMs: soon, heartbeatIntervalMs: 30000, timeout: 5000,
    })
    socket.onOpen(() => tell("open"))
    socket.onClose(event => tell("close", { code: event.code }))
    socket.connect()
  },
  join({ topic, params, presence }) {
    const channel = socket.channel(topic, params)
    channels.set(topic, channel)
    if (presence) follow(channel, topic)
    watch(channel, topic)
    channel.join()
      .receive("ok", response => tell("joined", { topic, response }))
      .receive("error", response => tell("refused", { topic, response }))
      .receive("timeout", () => tell("join timeout", { topic }))
  },
  push({ topic, event, payload }) {
    const push = channels.get(topic).push(event, known(payload))
    for (const status of ["ok", "error", "timeout"]) {
      push.receive(status, response => tell("reply", { topic, event, status, response: plain(response) }))
    }
  },
  leave({ topic }) {
    channels.get(topic).leave().receive("ok", () => tell("left", { topic }))
  },
  heartbeat() {
    socket.ping(milliseconds => tell("pong", { milliseconds }))
  },
  exit() {
    process.exit(0)
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { order, ...facts } = JSON.parse(line)
  commands[order](facts)
}
process.exit(0)
