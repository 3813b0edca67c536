import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'csv-stringify/sync'
import { ActivateError } from '../../project/problem.ts'
import { opening, type SampleOptions, sampleWorld } from './sample-world.ts'

/**
 * Writes the tables of the worked example as CSV files (`customers.csv`, `orders.csv`, `lists/do_not_contact.csv`, …) into a folder, as of a night, and
 * returns the number of rows of each. Each file is replaced whole, so that a reader never meets half of one. Throws A8504.
 */
export async function writeSampleData(
  folder: string,
  options: SampleOptions,
): Promise<Readonly<Record<string, number>>> {
  checkOptions(options)
  const rows: Record<string, number> = {}
  try {
    for (const [name, table] of Object.entries(sampleWorld(options))) {
      const path = join(folder, `${name}.csv`)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(`${path}.part`, stringify([table.columns, ...table.rows]), 'utf8')
      await rename(`${path}.part`, path)
      rows[name] = table.rows.length
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    throw new ActivateError(
      'failed',
      {
        code: 'A8504',
        message: `the sample data cannot be written to ${folder}: ${error.message}`,
        help: 'check that the folder is writable and the disk has room',
      },
      { cause: error },
    )
  }
  return rows
}

function checkOptions({ customers, asOf }: SampleOptions): void {
  const complain = (message: string, help: string) => new ActivateError('failed', { code: 'A8504', message, help })
  if (!Number.isInteger(customers) || customers < 1 || customers > 999_999) {
    throw complain(`the sample needs between 1 and 999999 customers, not ${customers}`, 'give a whole number')
  }
  if (!Number.isFinite(asOf) || asOf <= opening) {
    throw complain('the night lies before the sample world begins', 'choose a night after 2023-03-01')
  }
}
