/** `1 session`, `2 sessions`. @param many for words that take more than an `s` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
