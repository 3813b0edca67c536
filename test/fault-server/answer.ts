/** Carries a behaviour out on its connection. */
import type { Socket } from 'node:net'
import type { Behaviour } from './behaviours.ts'

/** Second replies that have not been sent yet. */
const late = new WeakMap<Socket, string>()

export async function answer(socket: Socket, behaviour: Behaviour): Promise<void> {
  const before = late.get(socket)
  if (before !== undefined) socket.write(before)
  late.delete(socket)
  switch (behaviour.kind) {
    case 'reply':
      writeReply(socket, behaviour)
      return
    case 'raw':
      socket.end(behaviour.bytes)
      return
    case 'stall':
      return
    case 'reset':
      if (behaviour.bytes === '') socket.resetAndDestroy()
      else socket.write(behaviour.bytes, () => socket.resetAndDestroy())
      return
    case 'drip':
      drip(socket, behaviour)
      return
    case 'endless':
      flood(socket)
      return
    case 'twice':
      if (behaviour.late) late.set(socket, behaviour.second)
      socket.write(behaviour.late ? behaviour.first : behaviour.first + behaviour.second)
      return
  }
}

function writeReply(socket: Socket, { status, body, headers, hangsUp }: Extract<Behaviour, { kind: 'reply' }>): void {
  const all = { 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(body)}`, ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  const bytes = Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status} Status\r\n${lines.join('\r\n')}\r\n\r\n`),
    Buffer.from(body),
  ])
  if (hangsUp) socket.end(bytes)
  else socket.write(bytes)
}

function drip(socket: Socket, { bytes, drops, every }: Extract<Behaviour, { kind: 'drip' }>): void {
  socket.write(bytes)
  let sent = 0
  const timer = setInterval(() => {
    socket.write(drops === '' ? '1\r\n \r\n' : drops.slice(sent, sent + 1))
    sent += 1
  }, every)
  socket.once('close', () => clearInterval(timer))
}

function flood(socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n')
  const chunk = Buffer.alloc(64 * 1024, 0x20)
  const fill = () => {
    while (!socket.destroyed && socket.write(chunk)) {}
  }
  socket.on('drain', fill)
  fill()
}
