import json
from tests.cli.shop import opened, NAME
from tests.cli.conftest import feedline
def test_x(settings, start_simulator, feedline):
    with opened(settings, start_simulator(speed=600), sync_listings={"hide_out_of_stock": True}) as shop:
        shop.says("a", "MUG-1", price="19.90", quantity=5)
        shop.says("b", "MUG-1", quantity=0)
        shop.says("c", "NOPE", quantity=3)
        shop.says("d", "MUG-2", quantity=-3)
        shop.says("e", "MUG-2", price="1,99")
        shop.says("e2", "MUG-2", price="1,99")
        shop.deliver({"specversion":"1.0","id":"d","source":"erp","type":"feedline.inventory.v1","data":{"connection":NAME,"sku":"X","quantity":1}})
        f=shop.sends()
        shop.says("g", "MUG-1", quantity=7)
        for c in (["trace","a"],["trace","d","--json"],["trace","sku:MUG-1"],["trace","sku:MUG-1","--json"],["results","--connection",NAME],["results","--connection",NAME,"--json"],["results","--connection",NAME,"--outcome","pending"],
          ["feeds"],["feeds","--json"],["feeds","show",str(f)],["feeds","show",str(f),"--json"],["feeds","show",str(f),"--document"],["feeds","show",str(f),"--report"],["status"],["status","--json"],["trace","nope"],["trace","order:1"],["results","--connection","x"],["results","--connection",NAME,"--outcome","x"],["feeds","--help"],["feeds","show","--help"],["trace","--help"],["status","--connection","q"]):
            r=feedline(*c, settings=shop.settings); print("$", *c, "->", r.returncode); print(r.stdout, r.stderr)
    assert 0
