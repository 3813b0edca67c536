import { readdir, readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeProject, type TestProject } from '../e2e/project.ts'
import { shell } from './activate.ts'

const secrets = {
  TOKEN: 'tok/en+0123"=456\\789<&>%41',
  LONGER: 'tok/en+0123"=456\\789<&>%41-and-the-rest-of-it',
  BASIC: 'ada:correct horse battery',
}

/** As a server may write it: with something before and behind, where the encoding does not stand by itself. */
const written = (secret: string): readonly string[] => {
  const around = ['', 'u', 'uv'].map(before => Buffer.from(`${before}${secret}zz`))
  return [
    ...[secret, encodeURIComponent(secret), new URLSearchParams({ a: secret }).toString().slice(2)],
    JSON.stringify(secret).slice(1, -1),
    ...around.flatMap(bytes => [bytes.toString('base64'), bytes.toString('base64url')]),
  ]
}

/** What of it would give the secret away. */
const telling = (secret: string) => [...written(secret).map(form => form.slice(4, -4)), secret.slice(0, 10)]

const echo = Object.values(secrets).flatMap(written).join(' | ')
/** In the other order, because messages quote the beginning of a reply only. */
const echoBackwards = Object.values(secrets).flatMap(written).reverse().join(' | ')

/** Sends back whatever it was sent, in every encoding, in each part of a reply. */
let far: Server
let project: TestProject
const activate = shell(() => project.root, { ...secrets, ACTIVATE_USER: 'ada' })

const replies: Readonly<Record<string, { status: number; headers?: Record<string, string>; body: string }>> = {
  '/records': { status: 200, body: '' },
  '/refused': { status: 400, body: `{"error":${JSON.stringify(echo)}}` },
  '/cut': { status: 400, body: `${'x'.repeat(285)}${secrets.TOKEN}` },
  '/denied': { status: 401, headers: { 'www-authenticate': encodeURIComponent(echo) }, body: echo },
  '/redirect': { status: 302, headers: { location: `http://a/?${encodeURIComponent(secrets.TOKEN)}` }, body: echo },
  '/lost': { status: 500, body: `<html>${echoBackwards}</html>` },
}

beforeAll(async () => {
  far = createServer((request, response) => {
    let text = ''
    request.on('data', chunk => {
      text += String(chunk)
    })
    request.on('end', () => {
      const reply = replies[request.url ?? ''] ?? { status: 404, body: echo }
      const results = (JSON.parse(text === '' ? '{}' : text).records ?? []).map(({ key }: { key: string }) => ({
        ...{ key, status: 'error', error: echo },
      }))
      response.writeHead(reply.status, reply.headers)
      response.end(request.url === '/records' ? JSON.stringify({ results }) : reply.body)
    })
  })
  await new Promise<void>(resolve => far.listen(0, '127.0.0.1', resolve))
  const names = Object.keys(replies).map(path => path.slice(1))
  const destination = (name: string) => `
  ${name}:
    type: http
    base_url: http://127.0.0.1:${(far.address() as AddressInfo).port}
    allow_private_network: true
    headers: { authorization: "Bearer \${env:TOKEN}", x-more: "\${env:LONGER}", x-basic: "\${env:BASIC}" }
    actions:
      send:
        method: POST
        path: /${name}
        batch: { max_records: 10, wrap: records }
        idempotency: ${name === 'lost' ? 'none' : 'natural'}
        ${name === 'records' ? 'outcomes: { list: results, id: key, ok: { field: status, equals: ok }, error: error }' : ''}`
  project = await makeProject({
    'activate.yml': `name: acme\nsources: { p: { csv: p.csv } }\ndestinations:${names.map(destination).join('')}\n`,
    'p.csv': 'id,name\n1,Ada\n2,Bob\n',
    'models/p.sql': '/*---\nkey: id\n---*/\nselect id, name from {{source "p"}}\n',
    ...Object.fromEntries(
      names.map(name => [
        `syncs/${name}.yml`,
        `model: p\ndestination: ${name}\naction: send\nmode: upsert\nfields: { name: name }\n`,
      ]),
    ),
  })
})

afterAll(async () => {
  await new Promise(resolve => far.close(resolve))
  await project.remove()
})

test('no secret is in anything that is shown or stored, whatever a destination sends back', async () => {
  const outputs = [
    await activate('run', '--verbose', '--sample', '5'),
    await activate('run', '--json', '--verbose', '--sample', '5', '--show-pii'),
    await activate('dry-run', '--save', 'plan.json', '--show-pii'),
    await activate('history', '--json'),
    await activate('inspect', '1', '--json', '--show-pii'),
    await activate('status', '--json'),
    await activate('hold', '--all', '--reason', `pasted ${secrets.BASIC} by mistake`),
    await activate('release', '--all', '--reason', 'ok'),
    await activate('doctor', '--verbose'),
    await activate('audit', '--json'),
  ].flatMap(({ stdout, stderr }, index) => [
    { where: `stdout of command ${index}`, content: Buffer.from(stdout) },
    { where: `stderr of command ${index}`, content: Buffer.from(stderr) },
  ])
  for (const entry of await readdir(project.root, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) outputs.push({ where: entry.name, content: await readFile(join(entry.parentPath, entry.name)) })

  // The destinations truly sent them back, and it was recorded that they did.
  expect(outputs.filter(({ content }) => content.includes('***')).map(({ where }) => where)).toEqual(
    expect.arrayContaining([
      'stderr of command 0',
      'stdout of command 1',
      'stderr of command 1',
      'stdout of command 4',
      'ledger.db',
    ]),
  )
  const leaks = outputs.flatMap(({ where, content }) =>
    Object.entries(secrets).flatMap(([name, secret]) =>
      telling(secret)
        .filter(form => content.includes(form))
        .map(form => `${where}: ${name} as ${form}`),
    ),
  )
  expect(leaks).toEqual([])
})
