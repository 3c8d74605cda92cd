"""Cards of a package: model card, data sheet and risk assessment, from facts and from what people wrote
(docs/cards.md).
"""
