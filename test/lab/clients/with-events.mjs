// Server-sent events by fetch: the server sends the next only when the last one was acknowledged, so that an event that
// is held back anywhere ends in a time-out.
const [allowed, blocked] = process.argv.slice(2);
async function read(stream) {
  const answer = await fetch(`https://${allowed}/events/5?${stream}`, {
    signal: AbortSignal.timeout(15_000),
  });
  const got = [];
  let text = '';
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const id = /id: (\d+)/.exec(text.slice(0, end))[1];
      text = text.slice(end + 2);
      got.push(id);
      await fetch(`https://${allowed}/acknowledge/${id}?${stream}`);
    }
  }
  return `${answer.status} ${answer.headers.get('content-type')} ${got.join('')}`;
}
console.log('allowed', await read('a'));
const refused = await fetch(`https://${blocked}/events/5`, { headers: { accept: 'text/event-stream' } });
console.log('blocked', refused.status, refused.headers.get('x-sallyport-rule') ?? '-');
if (refused.status === 200) await refused.body.cancel();
const many = await Promise.all(['b', 'c', 'd', 'e'].map(read));
console.log('concurrent', many.filter((line) => line.endsWith(' 01234')).length);
process.exit(0);
