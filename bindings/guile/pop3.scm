;;; pop3.scm - libpop3 for Guile
;;; SPDX-License-Identifier: MIT
;;;
;;; Owns the way from C to Scheme: a connection as a record, errors as exceptions
;;; of the type &pop3-error, messages folded over. Knows nothing of POP3. The
;;; library is $LIBPOP3, else the loader's libpop3.so.0. Messages are
;;; bytevectors; what is short is a string, an octet a character. What has no
;;; procedure here is had with (pop3-function "pop3_noop" int '*), as pop3.h has
;;; it, and given the connection's handle.
(define-module (pop3)
  #:use-module (ice-9 exceptions)
  #:use-module (ice-9 iconv)
  #:use-module (rnrs bytevectors)
  #:use-module ((rnrs io ports) #:select (open-bytevector-output-port
                                          put-bytevector))
  #:use-module (srfi srfi-9)
  #:use-module (system foreign)
  #:export (pop3-connect call-with-pop3 pop3-login pop3-stat pop3-list pop3-uidl
            pop3-fold-chunks pop3-fold-lines pop3-retr pop3-top pop3-dele
            pop3-quit pop3-close pop3-handle pop3-function pop3-version
            pop3-error? pop3-error-code pop3-error-name pop3-error-reply
            pop3-error-resp-code))

(define library
  (dynamic-link (or (getenv "LIBPOP3") "libpop3.so.0")))

(define (pop3-function name result . arguments)
  (pointer->procedure result (dynamic-func name library) arguments))

;;; Text, and what is had of it by its length.

(define (in text) (string->pointer text))
(define (out pointer) (pointer->string pointer -1 "ISO-8859-1"))

(define (bytes pointer length)
  (if (zero? length)
      (make-bytevector 0)
      (bytevector-copy (pointer->bytevector pointer length))))

(define (text pointer length)
  (bytevector->string (bytes pointer length) "ISO-8859-1"))

;;; Memory for results: words as wide as a pointer and a size_t.

(define word (sizeof '*))
(define (words n) (make-bytevector (* n word) 0))
(define (word-of memory i)
  (bytevector-uint-ref memory (* i word) (native-endianness) word))
(define (pointer-of memory i) (make-pointer (word-of memory i)))

;;; Errors: code and name; the server's line and its response code, "" for none;
;;; the message, for people, is exception-message.

(define &pop3-error
  (make-exception-type '&pop3-error &error '(code name reply resp-code)))
(define pop3-error? (exception-predicate &pop3-error))
(define (field name)
  (exception-accessor &pop3-error (record-accessor &pop3-error name)))
(define pop3-error-code (field 'code))
(define pop3-error-name (field 'name))
(define pop3-error-reply (field 'reply))
(define pop3-error-resp-code (field 'resp-code))

(define error-text (pop3-function "pop3_error" '* '*))
(define code-name (pop3-function "pop3_code_name" '* int))
(define reply (pop3-function "pop3_reply" '* '* '*))
(define resp-code (pop3-function "pop3_resp_code" '* '*))

(define (check handle code)
  (unless (zero? code)
    (let* ((length (words 1))
           (line (reply handle (bytevector->pointer length))))
      (raise-exception
       (make-exception
        ((record-constructor &pop3-error) code (out (code-name code))
         (text line (word-of length 0)) (out (resp-code handle)))
        (make-exception-with-message (out (error-text handle))))))))

;;; The connection, freed with its record.

(define-record-type <pop3>
  (make-pop3 handle begun)
  pop3?
  (handle pop3-handle)
  (begun messages-begun set-messages-begun!))

;; A procedure that calls the function of that name on a connection's handle.
(define (method name . arguments)
  (let ((f (apply pop3-function name int '* arguments)))
    (lambda (c . arguments)
      (check (pop3-handle c) (apply f (pop3-handle c) arguments)))))

(define new (pop3-function "pop3_new" '*))
(define free (dynamic-func "pop3_free" library))
(define version (pop3-function "pop3_version" '*))
(define set-timeout (pop3-function "pop3_set_timeout" void '* int))
(define set-ca-file (method "pop3_set_ca_file" '*))
(define set-server-name (method "pop3_set_server_name" '*))
(define connect-plain (method "pop3_connect" '* int))
(define connect-ssl (method "pop3_connect_ssl" '* int))

(define (pop3-version) (out (version)))

(define* (pop3-connect host #:optional (port 0) #:key tls? ca-file server-name
                       timeout-ms)
  (let* ((handle (new))
         (c (make-pop3 handle 0)))
    (set-pointer-finalizer! handle free)
    (when timeout-ms (set-timeout handle timeout-ms))
    (when ca-file (set-ca-file c (in ca-file)))
    (when server-name (set-server-name c (in server-name)))
    ((if tls? connect-ssl connect-plain) c (in host) port)
    c))

;; Gives a connection to proc and closes it behind proc, however that ends. The
;; rest as for pop3-connect.
(define (call-with-pop3 proc . where)
  (let ((c (apply pop3-connect where)))
    (dynamic-wind
      (const #t)
      (lambda () (proc c))
      (lambda () (pop3-close c)))))

(define pop3-login
  (let ((login (method "pop3_login" '* '*)))
    (lambda (c user password)
      (when (string-index (string-append user password) #\nul)
        (error "NUL in a login"))
      (login c (in user) (in password)))))

;; Two values: messages, octets.
(define pop3-stat
  (let ((stat (method "pop3_stat" '*)))
    (lambda (c)
      (let ((totals (make-bytevector 16)))
        (stat c (bytevector->pointer totals))
        (values (bytevector-u64-native-ref totals 0)
                (bytevector-u64-native-ref totals 8))))))

;; A listing: a list of pairs, number and what value makes of the rest of a row.
(define (listing ask free row-size value)
  (let ((ask (method ask '*))
        (free (pop3-function free void '*)))
    (lambda (c)
      (let ((answer (words 1)))
        (ask c (bytevector->pointer answer))
        (let* ((head (pointer->bytevector (pointer-of answer 0) (* 4 word)))
               (size (* row-size (word-of head 2)))
               (rows (bytes (pointer-of head 3) size))
               (pairs (let row ((at 0))
                        (if (= at size)
                            '()
                            (cons (cons (bytevector-u64-ref
                                         rows at (native-endianness))
                                        (value rows (+ at 8)))
                                  (row (+ at row-size)))))))
          (free (pointer-of answer 0))
          pairs)))))

;; ((number . octets) ...), in the server's order.
(define pop3-list
  (listing "pop3_list" "pop3_sizes_free" 16
           (lambda (rows at)
             (bytevector-u64-ref rows at (native-endianness)))))

;; ((number . uid) ...)
(define pop3-uidl
  (listing "pop3_uidl" "pop3_uids_free" (+ 8 (* 2 word))
           (lambda (rows at)
             (let ((i (/ at word)))
               (text (pointer-of rows (+ i 1)) (word-of rows i))))))

;; Numbers that C cannot have are refused.
(define (whole number)
  (unless (and (exact-integer? number) (< -1 number (expt 2 64)))
    (error "not a whole number of 64 bits:" number))
  number)

(define retr-begin (method "pop3_retr_begin" uint64))
(define top-begin (method "pop3_top_begin" uint64 uint64))
(define next-slice (method "pop3_next_slice" '* '*))
(define next-line (method "pop3_next_line" '*))

;; Calls proc with each piece that next finds, and with what proc gave last;
;; returns what it gave at the end. lines: #f for RETR, else for TOP.
(define (fold next proc seed c number lines)
  (whole number)
  (when lines (whole lines))
  (set-messages-begun! c (1+ (messages-begun c)))
  (if lines (top-begin c number lines) (retr-begin c number))
  (let* ((begun (messages-begun c))
         (memory (words 3))
         (at (bytevector->pointer memory)))
    (let loop ((result seed))
      (unless (= begun (messages-begun c))
        (error "another message was begun"))
      (next c at)
      (if (null-pointer? (pointer-of memory 0))
          result
          (loop (proc (bytes (pointer-of memory 0) (word-of memory 1))
                      result))))))

;; Over the message in pieces, cut anywhere. What is not read of it, because proc
;; has gone elsewhere, the next command skips.
(define* (pop3-fold-chunks proc seed c number #:optional lines)
  (fold (lambda (c at)
          (next-slice c at (make-pointer (+ word (pointer-address at)))))
        proc seed c number lines))

;; Over its lines, without their ends.
(define* (pop3-fold-lines proc seed c number #:optional lines)
  (fold next-line proc seed c number lines))

;; The header and the first lines of the body, line ends as on the wire.
(define (pop3-top c number lines)
  (call-with-values open-bytevector-output-port
    (lambda (port message)
      (pop3-fold-chunks (lambda (chunk _) (put-bytevector port chunk))
                        #f c number lines)
      (message))))

;; The whole message.
(define (pop3-retr c number) (pop3-top c number #f))

(define pop3-dele
  (let ((dele (method "pop3_dele" uint64)))
    (lambda (c number) (dele c (whole number)))))

;; Ends the session; only now the server deletes.
(define pop3-quit (method "pop3_quit"))

;; Closes at once and deletes nothing, as the garbage collector does.
(define pop3-close
  (let ((close (pop3-function "pop3_close" void '*)))
    (lambda (c) (close (pop3-handle c)))))
