dnl p3_flags.m4 - asks compiler and linker what they understand
dnl SPDX-License-Identifier: MIT

dnl P3_ADD_CFLAG(FLAG): adds FLAG to P3_CFLAGS if the compiler takes it without a
dnl word of complaint.
AC_DEFUN([P3_ADD_CFLAG],
[p3_save_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS -Werror $1"
AC_MSG_CHECKING([whether $CC takes $1])
AC_COMPILE_IFELSE([AC_LANG_SOURCE([extern int p3_nothing;])],
  [AC_MSG_RESULT([yes])
   P3_CFLAGS="$P3_CFLAGS $1"],
  [AC_MSG_RESULT([no])])
CFLAGS=$p3_save_CFLAGS])

dnl P3_CHECK_LDFLAG(FLAG, IF-YES, IF-NO): tries to link with FLAG.
AC_DEFUN([P3_CHECK_LDFLAG],
[p3_save_LDFLAGS=$LDFLAGS
LDFLAGS="$LDFLAGS $1"
AC_MSG_CHECKING([whether the linker takes $1])
AC_LINK_IFELSE([AC_LANG_PROGRAM()],
  [AC_MSG_RESULT([yes])
   LDFLAGS=$p3_save_LDFLAGS
   $2],
  [AC_MSG_RESULT([no])
   LDFLAGS=$p3_save_LDFLAGS
   $3])])
