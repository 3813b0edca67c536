import { startBigquery } from './server.ts'
const s = await startBigquery()
console.log(s.url)
process.on('SIGTERM', () => { console.error(s.statements.length, 'statements'); void s.stop().then(() => process.exit(0)) })
