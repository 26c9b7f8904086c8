// The official JavaScript client of graphql-transport-ws: orders as JSON on stdin, what it saw as JSON on stdout.
// `node graphql_ws_client.mjs PATH_OF_GRAPHQL_WS_CLIENT_JS`.

import { createInterface } from "node:readline"

const { createClient } = await import(process.argv[2])
const running = new Map()
let client = null

const tell = (saw, facts = {}) => process.stdout.write(JSON.stringify({ saw, ...facts }) + "\n")

const commands = {
  connect({ url, params, retries }) {
    client = createClient({
      url, connectionParams: params, lazy: false, keepAlive: 200, retryAttempts: retries ?? 0, retryWait: async () => {},
      onNonLazyError: event => tell("fatal", { code: event.code ?? null, reason: event.reason ?? String(event) }),
      on: {
        connected: () => tell("connected"),
        closed: event => tell("closed", { code: event.code ?? null, reason: event.reason ?? "" }),
        pong: received => { if (received) tell("pong") },
      },
    })
  },
  subscribe({ key, query, variables }) {
    running.set(key, client.subscribe({ query, variables }, {
      next: result => tell("next", { key, result }),
      error: error => tell("error", { key, error: Array.isArray(error) ? error : String(error) }),
      complete: () => tell("complete", { key }),
    }))
  },
  unsubscribe({ key }) {
    running.get(key)()
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { order, ...facts } = JSON.parse(line)
  try {
    commands[order](facts)
  } catch (error) {
    tell("failed", { order, error: String(error) })
  }
}
process.exit(0)
