import Bytes
import HTTP

/// Handles a request once its head is complete: accepted on the handler's terms and dispatched, or refused.
extension HTTPConnection {
    /// - Returns: false if the request was refused.
    func take(_ head: RequestHead, on terms: RequestTerms) throws(MessageError) -> Bool {
        credential = terms.credential
        try parser.restrictBody(toBytes: terms.maxBodyBytes)
        guard head.body != .none else { return true }
        if let coding = try ContentCoding(head.fields) {
            encodedBody = EncodedBody(coding, maxBytes: min(terms.maxBodyBytes, server.limits.maxBodyBytes))
        }
        if terms.streamsBody {
            dispatch(streaming: true)
            // A client that is refused at once need not send the body.
            guard exchange != nil else { return true }
        } else if let length = head.contentLength, length > 0 {
            body.reserveCapacity(length)
        }
        // Refuse before the body is sent.
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
            // The parser determines the next phase, whose deadline begins now.
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

    /// Reads the next request, starting with the bytes already received.
    func goOn() {
        if isCongested {
            pauseReading()
            return
        }
        resumeReading()
        // Even without bytes left, the end of a request whose head was deferred may have to be reported.
        if !unread.isEmpty || !parser.isIdle { parseUnread() }
    }

    /// - Parameter streaming: whether the body follows in pieces.
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

    /// The exchange paused or resumed its body.
    func bodyDemandChanged(isPaused: Bool) {
        if isPaused {
            pauseReading()
            return
        }
        // Time paused by the exchange does not count against the client.
        phaseEnds = max(phaseEnds, loop.now + server.deadlines.body)
        watchDeadline()
        if encodedBody?.isBehind ?? false {
            // Decoding continues with the rest, but not within the caller's call.
            loop.schedule(after: .zero) { [self] in goOnDecoding() }
            return
        }
        resumeReading()
        // Within the parser's call, its loop continues by itself. Even without bytes left, the end of the body may have to be
        // reported.
        if !isParsing { parseUnread() }
    }
}
