// The name of a module depends on its path otherwise, and the output on who has built it.
module.exports = { optimization: { moduleIds: 'named' } };
