import { describe, expect, test } from 'vitest'
import { isSteady } from '../../src/models/steady.ts'

const relations = new Set(['`shop.customers`', '`activate.model__leads`'])

describe('a select is known to be steady', () => {
  test.each([
    'select c.id, c.name from `shop.customers` as c',
    "select customers.id from `shop.customers` where name <> 'now() from shop.v' -- rand()",
    'with l as (select id from `activate.model__leads`) select l.id, safe.parse_date("%F", c.day) from l join `shop.customers` c using (id)',
  ])('when it reads what it is known to read: %s', sql => {
    expect(isSteady(sql, 'bigquery', relations)).toBe(true)
  })

  test.each([
    'select current_date() as d from `shop.customers`',
    'select CURRENT_TIMESTAMP as t from `shop.customers`',
    'select rand() as r from `shop.customers`',
    'select session_user() as u from `shop.customers`',
    'select * from external_query("eu.pg", "select 1")',
    'select * from `shop.customers` for system_time as of timestamp "2026-01-01"',
    'select * from `shop.customers` tablesample system (10 percent)',
    'select * from `shop.customers_view`',
    'select * from shop.customers_view',
    'select * from shop.customers_view as shop',
    'select c.id from `shop.customers` as c, shop.customers_view as v',
    'select c.id from `shop.customers` as c join `shop`.`customers_view` as v using (id)',
    'select shop.tomorrow(c.day) as d from `shop.customers` as c',
    'select * from `shop.customers` where day = @@session.day',
    "select 'an open text from `shop.customers`",
  ])('and not when it may read anything else: %s', sql => {
    expect(isSteady(sql, 'bigquery', relations)).toBe(false)
  })
})
