/** What the shop sells: prices that change and shelves that run empty. A product is told by its changes, so it only grows. */
import { exponential, seededRandom } from '../seeded.ts'
import { day, hour } from './calendar.ts'

/** What a product became at an instant, until the next change. */
export interface ProductState {
  readonly productId: string
  readonly name: string
  readonly price: number
  readonly stock: number
  readonly at: number
}

const catalogue = [
  ['Ground coffee, 1 kg', 17.5],
  ['Espresso beans, 500 g', 12],
  ['Loose Assam, 250 g', 9.5],
  ['Cast-iron teapot', 42],
  ['Hand grinder', 58],
  ['Moka pot, six cups', 31],
  ['Pour-over set', 36],
  ['Digital scale', 24],
  ['Milk frother', 29.5],
  ['Stoneware mugs, four', 34],
  ['Travel mug', 19.5],
  ['Cold brew bottle', 22],
  ['Oat bars, box of 12', 14],
  ['Shortbread tin', 11],
  ['Descaler, three sachets', 8],
  ['Gift hamper', 65],
] as const

/** Product ids look like `P01`. */
export const productIds: readonly string[] = catalogue.map((_, index) => idOf(index))

function idOf(index: number): string {
  return `P${String(index + 1).padStart(2, '0')}`
}

/** Every change of every product between `from` and `until`, oldest first within a product. */
export function simulateProducts(seed: number, from: number, until: number): ProductState[] {
  return catalogue.flatMap(([name, usual], index) => {
    const productId = idOf(index)
    const random = seededRandom(seed, 'product', productId)
    const states: ProductState[] = []
    let [price, stock]: [number, number] = [usual, 20 + Math.floor(random() * 60)]
    for (let at = from; at < until; at += Math.floor(6 * hour + exponential(random, 9 * day))) {
      states.push({ productId, name, price, stock, at })
      if (random() < 0.35) price = Math.round(usual * (0.8 + 0.35 * random()) * 2) / 2
      else stock = stock > 0 && random() < 0.3 ? 0 : 5 + Math.floor(random() * 60)
    }
    return states
  })
}
