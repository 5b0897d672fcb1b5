;;; test.scm HOST PORT SSLPORT CA OTHERCA MESSAGE - the exercise of pop3.scm
;;; SPDX-License-Identifier: MIT
;;;
;;; Run by tests/check_bindings.sh, which has the server; MESSAGE is the file of
;;; message 1 as it is on the wire, 2 is deleted. Ends with an error or "ok".
(use-modules (pop3) (ice-9 binary-ports) (ice-9 control) (ice-9 iconv) (ice-9 match)
             (ice-9 exceptions) (rnrs bytevectors))
(define charset "ISO-8859-1")
(define user "guile")
(define password (getenv "POP3_PASSWORD"))

(define-syntax-rule (assert truth)
  (unless truth (error "not so:" 'truth)))

;; The exception of a body that must fail.
(define-syntax-rule (fails name body ...)
  (let ((e (with-exception-handler identity
             (lambda () body ... (error "did not fail:" 'body ...))
             #:unwind? #t)))
    (unless (and (pop3-error? e)
                 (string=? (pop3-error-name e) (string-append "POP3_ERROR_" name))
                 (positive? (pop3-error-code e))
                 (not (string-null? (exception-message e))))
      (raise-exception e))
    e))

;; A body must fail before the library is asked.
(define-syntax-rule (refused body ...)
  (let ((e (with-exception-handler identity (lambda () body ... #f)
             #:unwind? #t)))
    (assert (and e (not (pop3-error? e))))))

(define (plain c wire)
  (let ((e (fails "PROTO" (pop3-login c user "wrong"))))
    (assert (= (pop3-error-code e) 1))
    (assert (string-prefix? "-ERR [AUTH]" (pop3-error-reply e)))
    (assert (string=? (pop3-error-resp-code e) "AUTH")))
  (pop3-login c user password)
  (fails "PROTO" (pop3-retr c 99))

  (assert (> (pop3-fold-chunks (lambda (chunk n) (1+ n)) 0 c 1) 1))
  (assert (bytevector=? (pop3-retr c 1) wire))
  (let* ((text (bytevector->string wire charset))
         (lines (pop3-fold-lines
                 (lambda (line lines)
                   (cons* "\r\n" (bytevector->string line charset) lines))
                 '() c 1))
         (header (+ 4 (string-contains text "\r\n\r\n"))))
    (assert (string=? text (string-concatenate-reverse lines)))
    (call/ec (lambda (leave) (pop3-fold-chunks (lambda _ (leave)) #f c 1)))
    (assert (string=? (bytevector->string (pop3-top c 1 0) charset)
                      (string-take text header))))
  (assert (= 3 (pop3-stat c)))

  (for-each (lambda (n)
              (refused (pop3-dele c n))
              (refused (pop3-retr c n))
              (refused (pop3-top c 1 n)))
            (list -1 1.5 (+ 2 (expt 2 64)) "2"))
  (refused (pop3-login c user (string-append password "\x00;x")))
  (refused (pop3-fold-chunks (lambda _ (pop3-fold-chunks (const #f) #f c 1))
                             #f c 1))

  (pop3-dele c 2)
  (fails "PROTO" (pop3-dele c 2))
  (pop3-quit c)
  (fails "STATE" (pop3-stat c)))

(define (tls c)
  (pop3-login c user password)
  (assert (= 2 (pop3-stat c)))
  (pop3-dele c 1) ; which closing takes back
  c)

(match (cdr (command-line))
  ((host port ssl-port ca other-ca file)
   (define (connect-tls ca)
     (call-with-pop3 tls host (string->number ssl-port) #:tls? #t #:ca-file ca
                     #:server-name "localhost"))
   (call-with-pop3 (lambda (c)
                     (plain c (call-with-input-file file get-bytevector-all
                                                    #:binary #t)))
                   host (string->number port) #:timeout-ms 10000)
   (let ((c (connect-tls ca)))
     (fails "STATE" (pop3-stat c)))
   (fails "CERTIFICATE" (connect-tls other-ca))
   (display "ok\n")))
