// The peer of `panel.py`: the same rows in a plain table, whose filter hides rows.
() => {
  const place = document.createElement('div');
  place.id = 'peer';
  place.style.cssText =
    'position: fixed; inset: 30px 40px 30px auto; width: 250px; overflow: auto; background: white; z-index: 9';
  const search = document.createElement('input');
  search.type = 'search';
  const count = document.createElement('p');
  const table = document.createElement('table');
  place.append(search, count, table);

  window.peer = {
    draw(text, mark) {
      performance.mark(mark);
      const changes = JSON.parse(text);
      const rows = changes.map(({ kind, name, installed, wanted }) => {
        const row = document.createElement('tr');
        for (const word of [kind, name, installed ?? '–', wanted ?? '–']) {
          row.insertCell().textContent = word;
        }
        return row;
      });
      table.append(...rows);
      const said = changes.map(({ name, installed, wanted, reason }) =>
        [name, installed, wanted, reason].join(' ').toLowerCase()
      );
      const filter = () => {
        let shown = 0;
        rows.forEach((row, index) => {
          row.hidden = !said[index].includes(search.value.toLowerCase());
          shown += row.hidden ? 0 : 1;
        });
        count.textContent = `${shown} shown`;
      };
      search.addEventListener('input', filter);
      filter();
      document.body.append(place);
    }
  };
}
