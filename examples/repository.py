"""A repository whose methods are cached: entries go by the shop, not by the object, and tags say what a change touches."""

from __future__ import annotations

from dataclasses import dataclass, field

from stillroom import Cache

cache = Cache(ttl="5m")


@dataclass(frozen=True)
class Product:
    id: int
    category: str
    price: int


@dataclass
class Catalogue:
    """The products of one shop; `queries` counts what a database would have been asked."""

    shop: str
    rows: dict[int, Product] = field(default_factory=dict)
    queries: int = 0

    @cache(key="product:{self.shop}:{product_id}", tags=["shop:{self.shop}"])
    def product(self, product_id: int) -> Product | None:
        self.queries += 1
        return self.rows.get(product_id)

    @cache(key="category:{self.shop}:{category}", tags=["shop:{self.shop}", "category:{category}"])
    def in_category(self, category: str) -> list[int]:
        self.queries += 1
        return [product.id for product in self.rows.values() if product.category == category]

    def save(self, product: Product) -> None:
        """Change the rows, then forget what is outdated: the product, and the lists it is in or was in."""
        former, self.rows[product.id] = self.rows.get(product.id, product), product
        self.product.invalidate(product.id)
        cache.invalidate(tags=[f"category:{former.category}", f"category:{product.category}"])


def main() -> None:
    shop = Catalogue("north")
    shop.save(Product(1, "tea", 4))
    shop.save(Product(2, "jam", 3))
    for _ in range(10):
        shop.product(1), shop.in_category("tea"), shop.in_category("jam")
    print(f"30 reads: {shop.queries} queries")
    shop.save(Product(3, "tea", 6))
    print(f"tea: {shop.in_category('tea')}, jam: {shop.in_category('jam')}, {shop.queries - 3} more query")
    print(f"by its name: {cache.get('product:north:1')}")
    cache.invalidate(tags=["shop:north"])
    print(f"after the shop was cleared: {cache.get('product:north:1')}, {shop.product.peek(1)}")


if __name__ == "__main__":
    main()
