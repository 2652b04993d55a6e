const date = '2026-01-02T03:04:05.678Z';

export const provisional = (provisionalId, text = provisionalId) => ({ provisionalId, from: 'Ann', text, date });

export const final = (id, provisionalId = `key-of-${id}`, text = id) => ({ id, provisionalId, from: 'Ann', text, date });
