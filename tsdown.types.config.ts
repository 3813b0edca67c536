import { defineConfig } from 'tsdown'

/** The types of the kit. Apart from the bundle, because they take longer than all of it and no test needs them. */
export default defineConfig({
  entry: { destination: 'src/destination.ts' },
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  outDir: 'dist',
  clean: false,
  dts: { emitDtsOnly: true },
})
