import { defineConfig } from 'tsdown'

/** One bundle per entry with lazy chunks, so that `activate --version` loads a few kilobytes and no native module. */
export default defineConfig({
  entry: { main: 'src/cli/main.ts' },
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  outDir: 'dist',
  clean: true,
  dts: false,
  sourcemap: false,
})
