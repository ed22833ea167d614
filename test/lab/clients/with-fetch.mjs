// Node's fetch: one allowed GET and POST, one blocked GET, eight GETs at once.
const [allowed, blocked] = process.argv.slice(2);
const size = async (answer) => (await answer.arrayBuffer()).byteLength;
const one = await fetch(`https://${allowed}/one`);
console.log('allowed', one.status, await size(one));
const two = await fetch(`https://${allowed}/two`, { method: 'POST', body: 'x'.repeat(1000) });
console.log('posted', two.status, await size(two));
const refused = await fetch(`https://${blocked}/one`);
console.log('blocked', refused.status, refused.headers.get('x-sallyport-rule') ?? '-');
const many = Array.from({ length: 8 }, async (_, i) => (await fetch(`https://${allowed}/many/${i}`)).status);
console.log('concurrent', (await Promise.all(many)).filter((status) => status === 200).length);
