/** The shape of the sample world: which tables there are. */

export type Cell = string | number

/** Rows of cells in the order of `columns`. */
export interface SampleTable {
  readonly columns: readonly string[]
  readonly rows: (readonly Cell[])[]
}

/** By the name of its file, the columns of each table; `time` is the one by which a table that only grows is ordered. */
export const sampleTables = {
  customers: {
    columns: [
      'customer_id',
      'first_name',
      'last_name',
      'email',
      'phone',
      'country',
      'timezone',
      'joined_at',
      'updated_at',
    ],
  },
  orders: {
    columns: ['order_id', 'customer_id', 'ordered_at', 'amount', 'items', 'channel', 'email'],
    time: 'ordered_at',
  },
  refunds: {
    columns: ['refund_id', 'order_id', 'customer_id', 'refunded_at', 'amount', 'reason'],
    time: 'refunded_at',
  },
  subscriptions: {
    columns: [
      'subscription_id',
      'customer_id',
      'plan',
      'billing_cycle',
      'price',
      'status',
      'started_at',
      'period_start',
      'renews_on',
      'cancelled_at',
      'updated_at',
    ],
  },
  payments: {
    columns: [
      'payment_id',
      'invoice_id',
      'subscription_id',
      'customer_id',
      'attempt',
      'attempted_at',
      'amount',
      'status',
      'failure_reason',
    ],
    time: 'attempted_at',
  },
  product_events: {
    columns: ['event_id', 'customer_id', 'happened_at', 'event', 'device', 'device_id', 'product_id'],
    time: 'happened_at',
  },
  products: { columns: ['product_id', 'name', 'price', 'stock', 'changed_at'], time: 'changed_at' },
  consents: {
    columns: ['customer_id', 'channel', 'purpose', 'status', 'source', 'basis', 'evidence', 'updated_at'],
    time: 'updated_at',
  },
  fraud_cases: { columns: ['case_id', 'customer_id', 'opened_at', 'closed_at', 'outcome'] },
  accounts: { columns: ['account_id', 'name', 'domain', 'country', 'industry', 'employees'] },
  leads: {
    columns: ['lead_id', 'account_id', 'first_name', 'last_name', 'email', 'job_title', 'source', 'created_at'],
    time: 'created_at',
  },
  lead_events: { columns: ['event_id', 'lead_id', 'happened_at', 'event'], time: 'happened_at' },
  'lists/do_not_contact': { columns: ['email', 'added_at', 'asked_by'], time: 'added_at' },
} as const satisfies Record<string, { columns: readonly string[]; time?: string }>

export type SampleTableName = keyof typeof sampleTables
