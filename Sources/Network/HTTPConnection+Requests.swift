import Bytes
import HTTP

/// What becomes of a request whose head is there: taken on the handler's terms, handed to it, or refused.
extension HTTPConnection {
    /// - Returns: whether to go on with the request; not after a refusal.
    func take(_ head: RequestHead, on terms: RequestTerms) throws(MessageError) -> Bool {
        credential = terms.credential
        try parser.restrictBody(toBytes: terms.maxBodyBytes)
        guard head.body != .none else { return true }
        if let coding = try ContentCoding(head.fields) {
            encodedBody = EncodedBody(coding, maxBytes: min(terms.maxBodyBytes, server.limits.maxBodyBytes))
        }
        if terms.streamsBody {
            dispatch(streaming: true)
            // Whoever is refused at once need not send it.
            guard exchange != nil else { return true }
        } else if let length = head.contentLength, length > 0 {
            body.reserveCapacity(length)
        }
        // Told before it is sent.
        if let length = head.contentLength, length > HeldInput.freeByteCount, !server.handler.hasRoom(on: loop) {
            refuseForRoom()
            return false
        }
        if head.expectsContinue {
            ResponseWriter.appendContinue(into: &output)
            scheduleFlush()
        }
        return true
    }

    func awaitTerms(for head: RequestHead) {
        phase = .awaitingTerms
        pauseReading()
        server.handler.findTerms(for: head, on: loop) { [self] terms in
            guard phase == .awaitingTerms, isOpen else { return }
            // The parser says what comes next, and the deadline for it begins now.
            phase = .answering
            do throws(MessageError) {
                guard try take(head, on: terms) else { return }
            } catch {
                refuse(error)
                return
            }
            if takesInput { goOn() }
        }
    }

    /// Reads the next request, the bytes that are here already first.
    func goOn() {
        if isCongested {
            pauseReading()
            return
        }
        resumeReading()
        // Without a byte left there may still be the end of a request to tell whose head had to wait.
        if !unread.isEmpty || !parser.isIdle { parseUnread() }
    }

    /// - Parameter streaming: whether the body is still to come.
    func dispatch(streaming: Bool = false) {
        guard let head else { return }
        self.head = nil
        let client: RequestClient
        do throws(ForwardedError) {
            client = try server.proxies.trusted.client(of: peer, head.fields)
        } catch {
            self.head = head
            refuse(.badRequest, error.advice)
            return
        }
        clientAddress = client.address
        let exchange = HTTPExchange(
            request: head, body: body, client: client, credential: credential, connection: self, isBodyStreamed: streaming)
        body = ReceivedBody()
        credential = nil
        self.exchange = exchange
        phase = streaming ? .body : .answering
        if streaming {
            phaseEnds = loop.now + server.deadlines.body
            watchDeadline()
        }
        server.handler.handle(exchange)
        if !streaming, self.exchange != nil { pauseReading() }
    }

    /// The exchange takes no more of the body for now, or takes more again.
    func bodyDemandChanged(isPaused: Bool) {
        if isPaused {
            pauseReading()
            return
        }
        // What the exchange made wait is not the client's slowness.
        phaseEnds = max(phaseEnds, loop.now + server.deadlines.body)
        watchDeadline()
        if encodedBody?.isBehind ?? false {
            // Its end goes on with the rest. Not within the call of whoever wants more.
            loop.schedule(after: .zero) { [self] in goOnDecoding() }
            return
        }
        resumeReading()
        // Within the parser's own call, its loop goes on by itself. Without a byte left there may still be the body's end to tell.
        if !isParsing { parseUnread() }
    }
}
