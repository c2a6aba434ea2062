/** An answer that is made while it is sent: the next piece only when the client has taken those before it. */
const encoder = new TextEncoder();

/**
 * @param ended called once: when everything was sent, the client has gone, or making a piece failed. The
 *   connection then breaks, so that a part is never taken for the whole.
 */
export function streamed(pieces: AsyncGenerator<string>, contentType: string, ended: () => void): Response {
  let open = true;
  const end = (): void => {
    if (open) ended();
    open = false;
  };
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await pieces.next();
        if (!open) return;
        if (!done) return controller.enqueue(encoder.encode(value));
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      end();
    },
    async cancel() {
      end();
      await pieces.return(undefined);
    },
  });
  return new Response(stream, { headers: { 'content-type': contentType } });
}
