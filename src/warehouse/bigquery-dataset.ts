/** The dataset of the state: found, or made. */
import type { BigquerySettings, Connection } from './bigquery-connect.ts'
import { refusalOf, settingFailure } from './bigquery-error.ts'
import type { Jobs } from './bigquery-jobs.ts'

/** REST `Dataset`, as far as it is read. */
interface Dataset {
  readonly location: string
}

/** Throws A3059 where the settings say another location than the dataset's. */
export async function prepareDataset(
  jobs: Jobs,
  { state, location }: BigquerySettings,
  { project }: Connection,
): Promise<Dataset> {
  const dataset = await findDataset(jobs, state)
  if (dataset === undefined) {
    const json = {
      ...{ datasetReference: { projectId: project, datasetId: state }, labels: { tool: 'activate' } },
      ...(location === undefined ? {} : { location }),
    }
    try {
      return await jobs.send<Dataset>({ method: 'POST', uri: '/datasets', json })
    } catch (error) {
      // Somebody else has made it in between, or an earlier request whose answer was lost.
      const made = refusalOf(error).status === 409 ? await findDataset(jobs, state) : undefined
      if (made === undefined) throw error
      return made
    }
  }
  if (location === undefined || location.toLowerCase() === dataset.location.toLowerCase()) return dataset
  throw settingFailure(
    'location',
    `it says ${location}, but the dataset ${state} is in ${dataset.location}`,
    'a dataset never moves: say where it is, or name another warehouse.state',
  )
}

async function findDataset(jobs: Jobs, state: string): Promise<Dataset | undefined> {
  try {
    return await jobs.send<Dataset>({ uri: `/datasets/${state}` })
  } catch (error) {
    if (refusalOf(error).status === 404) return undefined
    throw error
  }
}
