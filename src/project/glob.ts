/** Whether a text is what a pattern describes; `*` stands for anything, also across slashes. */
export function glob(pattern: string): (text: string) => boolean {
  const expression = pattern
    .split('*')
    .map(part => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
    .join('.*')
  const regexp = new RegExp(`^${expression}$`)
  return text => regexp.test(text)
}
