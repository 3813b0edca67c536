import { defineConfig } from 'tsdown'

/** The command line, the kit that a project's own destinations import, and the hooks that watch what those import. One bundle per entry with lazy chunks, so that `activate --version` loads a few kilobytes and no native module. */
export default defineConfig({
  entry: {
    main: 'src/cli/main.ts',
    destination: 'src/destination.ts',
    'own-imports': 'src/destinations/own-imports.ts',
  },
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  outDir: 'dist',
  clean: true,
  dts: false,
  sourcemap: false,
})
