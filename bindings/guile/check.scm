;;; check.scm HOST PORT USER - what mail is there, and what the first is about
;;; SPDX-License-Identifier: MIT
;;;
;;; The password is $POP3_PASSWORD. Run: guile -L . check.scm localhost 110 me
(use-modules (pop3) (ice-9 iconv) (srfi srfi-1) (srfi srfi-11))
(define charset "ISO-8859-1") ; each octet as it is
(set-port-encoding! (current-output-port) charset)

(define (subject? line)
  (string-prefix-ci? "Subject:" line))
(define (collect line lines)
  (cons (bytevector->string line charset) lines))

(define (check c user)
  (pop3-login c user (getenv "POP3_PASSWORD"))
  (let-values (((messages octets) (pop3-stat c)) ((uids) (pop3-uidl c)))
    (format #t "~a messages, ~a octets\n" messages octets)
    (for-each (lambda (row)
                (format #t "~a ~a ~a\n" (car row) (cdr row)
                        (assv-ref uids (car row))))
              (pop3-list c))
    (when (positive? messages)
      (and=> (find subject? (reverse (pop3-fold-lines collect '() c 1 0)))
             (lambda (line) (format #t "~a\n" line)))))
  (pop3-quit c))

(define arguments (cdr (command-line)))
(call-with-pop3 (lambda (c) (check c (third arguments)))
                (first arguments) (string->number (second arguments)))
